use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::{password_resets, users};
use super::users::UserRow;
use super::{MailFacts, MailKind, Occasion, Store, accounts, mails, passwords, sessions, throttles};
use crate::domain::{AskRefusal, Email, EndedSession, PasswordProof, PasswordReset, ResetClaim, SessionEnd, User};

#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = password_resets, check_for_backend(diesel::pg::Pg), treat_none_as_null = true)]
struct ResetRow {
    token_hash: Option<Vec<u8>>,
    token_expires_at: Option<OffsetDateTime>,
    asked_at: Option<OffsetDateTime>,
    day_started_at: Option<OffsetDateTime>,
    day_ask_count: i32,
    updated_at: OffsetDateTime,
}

impl From<ResetRow> for PasswordReset {
    fn from(row: ResetRow) -> Self {
        Self {
            token_hash: row.token_hash,
            token_expires_at: row.token_expires_at,
            asked_at: row.asked_at,
            day_started_at: row.day_started_at,
            day_ask_count: row.day_ask_count,
        }
    }
}

/// Whose password a token sets.
pub struct ResetSubject {
    /// Who.
    pub user: User,
    /// Their address.
    pub email: Email,
}

/// What became of a reset.
pub enum ResetOutcome {
    /// The password is set and all sessions have ended.
    Done(Vec<EndedSession>),
    /// The token is worth nothing.
    Not(ResetClaim),
}

impl Store {
    /// Counts that a reset token was asked for, and queues its mail, whether there is an account: whether a mail leaves
    /// is decided when it is written.
    pub async fn ask_reset(&self, email: &Email, now: OffsetDateTime) -> Result<Result<(), AskRefusal>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let mut reset = lock(conn, email, now).await?;
            if let Err(refusal) = reset.ask(now) {
                return Ok(Err(refusal));
            }
            save(conn, email, reset, now).await?;
            mails::enqueue(conn, MailKind::PasswordReset, email, &MailFacts::default(), now).await?;
            Ok(Ok(()))
        })
        .await
    }

    /// Makes a token the newest of its address, just before it is sent; false when the address has no account.
    pub async fn issue_reset(&self, email: &Email, token_hash: [u8; 32], now: OffsetDateTime) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let mut reset = lock(conn, email, now).await?;
            let account = users::table.filter(users::email.eq(email.as_str()).and(users::deleted_at.is_null()));
            if !diesel::select(diesel::dsl::exists(account)).get_result::<bool>(conn).await? {
                return Ok(false);
            }
            reset.issue(token_hash, now);
            save(conn, email, reset, now).await?;
            Ok(true)
        })
        .await
    }

    /// What a token is worth now, and whose account it opens.
    pub async fn reset_subject(
        &self,
        token_hash: &[u8; 32],
        now: OffsetDateTime,
    ) -> Result<Result<ResetSubject, ResetClaim>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<(String, ResetRow)> = password_resets::table
            .filter(password_resets::token_hash.eq(token_hash.as_slice()))
            .select((password_resets::email, ResetRow::as_select()))
            .first(&mut conn)
            .await
            .optional()?;
        let Some((email, row)) = row else { return Ok(Err(ResetClaim::Unknown)) };
        match PasswordReset::from(row).weigh(token_hash, now) {
            ResetClaim::Valid => {}
            claim => return Ok(Err(claim)),
        }
        let user: Option<UserRow> = users::table
            .filter(users::email.eq(&email).and(users::deleted_at.is_null()))
            .select(UserRow::as_select())
            .first(&mut conn)
            .await
            .optional()?;
        let subject = |user: UserRow| ResetSubject { user: user.into(), email: Email::stored(email) };
        Ok(user.map(subject).ok_or(ResetClaim::Unknown))
    }

    /// Sets a password by a token, uses the token up, ends all sessions and forgets failures under `throttle_keys`.
    pub async fn reset_password(
        &self,
        token_hash: &[u8; 32],
        new_hash: &str,
        throttle_keys: &[Vec<u8>],
        occasion: &Occasion,
    ) -> Result<ResetOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let Some(email) = lock_by_token(conn, token_hash).await? else {
                return Ok(ResetOutcome::Not(ResetClaim::Unknown));
            };
            let mut reset = lock(conn, &email, occasion.now).await?;
            match reset.weigh(token_hash, occasion.now) {
                ResetClaim::Valid => {}
                claim => return Ok(ResetOutcome::Not(claim)),
            }
            let id: Option<Uuid> = users::table
                .filter(users::email.eq(email.as_str()).and(users::deleted_at.is_null()))
                .select(users::id)
                .first(conn)
                .await
                .optional()?;
            let Some(user_id) = id.map(UserId::from_uuid) else {
                return Ok(ResetOutcome::Not(ResetClaim::Unknown));
            };
            let account = accounts::lock(conn, user_id).await?;
            if account.is_none_or(|account| account.deleted_at.is_some()) {
                return Ok(ResetOutcome::Not(ResetClaim::Unknown));
            }
            reset.spend();
            save(conn, &email, reset, occasion.now).await?;
            throttles::forget(conn, throttle_keys).await?;
            passwords::set(conn, user_id, new_hash, occasion).await?;
            passwords::tell(conn, user_id, &email, PasswordProof::ResetToken, occasion).await?;
            let ended = sessions::end_all(conn, user_id, None, SessionEnd::PasswordChanged, occasion).await?;
            Ok(ResetOutcome::Done(ended))
        })
        .await
    }
}

async fn lock_by_token(conn: &mut Connection, token_hash: &[u8; 32]) -> Result<Option<Email>, Error> {
    let email: Option<String> = password_resets::table
        .filter(password_resets::token_hash.eq(token_hash.as_slice()))
        .select(password_resets::email)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(email.map(Email::stored))
}

/// The token and limits of an address, locked until the transaction ends.
async fn lock(conn: &mut Connection, email: &Email, now: OffsetDateTime) -> Result<PasswordReset, Error> {
    let row: ResetRow = diesel::insert_into(password_resets::table)
        .values((
            password_resets::email.eq(email.as_str()),
            password_resets::day_ask_count.eq(0),
            password_resets::updated_at.eq(now),
        ))
        .on_conflict(password_resets::email)
        .do_update()
        .set(password_resets::email.eq(email.as_str()))
        .returning(ResetRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(row.into())
}

/// Writes what [`lock`] read and a rule changed.
async fn save(conn: &mut Connection, email: &Email, reset: PasswordReset, now: OffsetDateTime) -> Result<(), Error> {
    let row = ResetRow {
        token_hash: reset.token_hash,
        token_expires_at: reset.token_expires_at,
        asked_at: reset.asked_at,
        day_started_at: reset.day_started_at,
        day_ask_count: reset.day_ask_count,
        updated_at: now,
    };
    diesel::update(password_resets::table.find(email.as_str())).set(row).execute(conn).await?;
    Ok(())
}
