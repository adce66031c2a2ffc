use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::schema::{recovery_codes, totp_secrets};
use super::{MailFacts, MailKind, Occasion, Store, StoredSecret, accounts, challenges, mails};
use crate::domain::Fact;

/// An authenticator's secret as it is stored.
pub struct StoredTotp {
    /// Sealed or not; its name is that of [`totp_secret_name`].
    pub secret: StoredSecret,
    /// Logins ask for it.
    pub is_confirmed: bool,
    /// Tells this secret from one that takes its place.
    pub made_at: OffsetDateTime,
}

/// What was typed as second factor, weighed as far as that needs no lock.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The code of a step; each step is taken once.
    Step {
        /// Which.
        step: i64,
        /// Of which secret.
        made_at: OffsetDateTime,
    },
    /// A recovery code's hash.
    Recovery([u8; 32]),
    /// The code of no step of now.
    Wrong,
}

/// A proof that was right, and is used up.
pub(super) struct TakenProof {
    /// Set when it was a recovery code.
    pub recovery_codes_left: Option<u32>,
}

/// A first code, and what the person gets for it.
pub struct Confirmation {
    /// The step of the code.
    pub step: i64,
    /// Of which secret.
    pub made_at: OffsetDateTime,
    /// Of the recovery codes that are shown now.
    pub recovery_hashes: Vec<[u8; 32]>,
}

/// What became of a change of two-factor logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwoFactorOutcome {
    /// Done, since this call.
    Changed,
    /// They are on already, or off already.
    AlreadySo,
    /// The proof was wrong, or its secret was replaced meanwhile.
    Refused,
}

/// The name that a person's secret is sealed for.
pub fn totp_secret_name(user_id: UserId) -> String {
    format!("totp:{user_id}")
}

impl Store {
    /// The authenticator's secret of a person.
    pub async fn totp(&self, user_id: UserId) -> Result<Option<StoredTotp>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<(Vec<u8>, bool, Option<OffsetDateTime>, OffsetDateTime)> = totp_secrets::table
            .find(user_id.as_uuid())
            .select((
                totp_secrets::secret,
                totp_secrets::is_sealed,
                totp_secrets::confirmed_at,
                totp_secrets::created_at,
            ))
            .first(&mut conn)
            .await
            .optional()?;
        Ok(row.map(|(bytes, is_sealed, confirmed_at, made_at)| StoredTotp {
            secret: StoredSecret { name: totp_secret_name(user_id), bytes, is_sealed },
            is_confirmed: confirmed_at.is_some(),
            made_at,
        }))
    }

    /// Keeps a secret that is not confirmed yet, in place of an earlier one; false when logins are guarded already.
    pub async fn keep_totp(&self, user_id: UserId, secret: &StoredSecret, now: OffsetDateTime) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            accounts::lock(conn, user_id).await?;
            if is_enabled(conn, user_id).await? {
                return Ok(false);
            }
            diesel::delete(totp_secrets::table.find(user_id.as_uuid())).execute(conn).await?;
            diesel::insert_into(totp_secrets::table)
                .values((
                    totp_secrets::user_id.eq(user_id.as_uuid()),
                    totp_secrets::secret.eq(&secret.bytes),
                    totp_secrets::is_sealed.eq(secret.is_sealed),
                    totp_secrets::created_at.eq(now),
                ))
                .execute(conn)
                .await?;
            Ok(true)
        })
        .await
    }

    /// Stores a secret sealed that was stored open.
    pub async fn seal_totp(&self, user_id: UserId, secret: &StoredSecret) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        diesel::update(totp_secrets::table.find(user_id.as_uuid()).filter(totp_secrets::is_sealed.eq(false)))
            .set((totp_secrets::secret.eq(&secret.bytes), totp_secrets::is_sealed.eq(secret.is_sealed)))
            .execute(&mut conn)
            .await?;
        Ok(())
    }

    /// Guards a person's logins from now on.
    pub async fn confirm_totp(
        &self,
        user_id: UserId,
        confirmation: &Confirmation,
        occasion: &Occasion,
    ) -> Result<TwoFactorOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let Some(account) = accounts::lock(conn, user_id).await? else { return Ok(TwoFactorOutcome::Refused) };
            if is_enabled(conn, user_id).await? {
                return Ok(TwoFactorOutcome::AlreadySo);
            }
            let secret =
                totp_secrets::table.find(user_id.as_uuid()).filter(totp_secrets::created_at.eq(confirmation.made_at));
            let confirmed = diesel::update(secret)
                .set((totp_secrets::confirmed_at.eq(occasion.now), totp_secrets::last_step.eq(confirmation.step)))
                .execute(conn)
                .await?;
            if confirmed == 0 {
                return Ok(TwoFactorOutcome::Refused);
            }
            let hashes = confirmation.recovery_hashes.iter();
            let rows: Vec<_> = hashes
                .map(|hash| {
                    (recovery_codes::user_id.eq(user_id.as_uuid()), recovery_codes::code_hash.eq(hash.as_slice()))
                })
                .collect();
            diesel::insert_into(recovery_codes::table).values(rows).execute(conn).await?;
            occasion.tell(conn, user_id, &[Fact::TwoFactorEnabled]).await?;
            let facts = MailFacts::default();
            mails::enqueue(conn, MailKind::TwoFactorEnabled, &account.email, &facts, occasion.now).await?;
            Ok(TwoFactorOutcome::Changed)
        })
        .await
    }

    /// Takes the guard away by one last proof.
    pub async fn disable_totp(
        &self,
        user_id: UserId,
        proof: &Proof,
        occasion: &Occasion,
    ) -> Result<TwoFactorOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let Some(account) = accounts::lock(conn, user_id).await? else { return Ok(TwoFactorOutcome::Refused) };
            if !is_enabled(conn, user_id).await? {
                return Ok(TwoFactorOutcome::AlreadySo);
            }
            if take_proof(conn, user_id, proof).await?.is_none() {
                return Ok(TwoFactorOutcome::Refused);
            }
            diesel::delete(totp_secrets::table.find(user_id.as_uuid())).execute(conn).await?;
            diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id.as_uuid())))
                .execute(conn)
                .await?;
            challenges::forget_all(conn, user_id).await?;
            occasion.tell(conn, user_id, &[Fact::TwoFactorDisabled]).await?;
            let facts = MailFacts::default();
            mails::enqueue(conn, MailKind::TwoFactorDisabled, &account.email, &facts, occasion.now).await?;
            Ok(TwoFactorOutcome::Changed)
        })
        .await
    }
}

/// Whether logins ask for a second factor.
pub(super) async fn is_enabled(conn: &mut Connection, user_id: UserId) -> Result<bool, Error> {
    let confirmed = totp_secrets::table.find(user_id.as_uuid()).filter(totp_secrets::confirmed_at.is_not_null());
    Ok(diesel::select(diesel::dsl::exists(confirmed)).get_result(conn).await?)
}

/// Uses a proof up; `None` when it is wrong or was used before. The lock of the row decides who was first.
pub(super) async fn take_proof(
    conn: &mut Connection,
    user_id: UserId,
    proof: &Proof,
) -> Result<Option<TakenProof>, Error> {
    match proof {
        Proof::Step { step, made_at } => {
            let unused = totp_secrets::table
                .find(user_id.as_uuid())
                .filter(totp_secrets::created_at.eq(made_at).and(totp_secrets::confirmed_at.is_not_null()))
                .filter(totp_secrets::last_step.lt(step));
            let taken = diesel::update(unused).set(totp_secrets::last_step.eq(step)).execute(conn).await?;
            Ok((taken > 0).then_some(TakenProof { recovery_codes_left: None }))
        }
        Proof::Recovery(hash) => {
            let code = recovery_codes::table.find((user_id.as_uuid(), hash.as_slice()));
            if diesel::delete(code).execute(conn).await? == 0 {
                return Ok(None);
            }
            let recovery_codes_left = Some(codes_left(conn, user_id).await?);
            Ok(Some(TakenProof { recovery_codes_left }))
        }
        Proof::Wrong => Ok(None),
    }
}

async fn codes_left(conn: &mut Connection, user_id: UserId) -> Result<u32, Error> {
    let count: i64 =
        recovery_codes::table.filter(recovery_codes::user_id.eq(user_id.as_uuid())).count().get_result(conn).await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
