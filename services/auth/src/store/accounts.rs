use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::schema::{
    email_codes, known_devices, login_throttles, logins, mails, password_resets, recovery_codes, relationships,
    sessions, totp_secrets, usernames, users,
};
use super::users::UserRow;
use super::{MailFacts, MailKind, Occasion, Store, challenges, sessions as session_store};
use crate::domain::{Email, EndedSession, Fact, SessionEnd, User};

/// How long a deleted account may come back.
pub(super) const RETURN_TIME: Duration = Duration::days(30);

/// An account whose row is locked: whatever changes one account takes turns.
pub(super) struct LockedAccount {
    pub user: User,
    pub email: Email,
    pub password_hash: String,
    pub deleted_at: Option<OffsetDateTime>,
}

impl Store {
    /// Hides an account and ends all its sessions; `None` when its password is no longer that of `password_hash`, or it
    /// is deleted already.
    pub async fn delete_account(
        &self,
        user_id: UserId,
        password_hash: &str,
        occasion: &Occasion,
    ) -> Result<Option<Vec<EndedSession>>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let account = lock(conn, user_id).await?;
            let is_same =
                |account: &LockedAccount| account.deleted_at.is_none() && account.password_hash == password_hash;
            let Some(account) = account.filter(is_same) else { return Ok(None) };
            diesel::update(users::table.find(user_id.as_uuid()))
                .set(users::deleted_at.eq(occasion.now))
                .execute(conn)
                .await?;
            challenges::forget_all(conn, user_id).await?;
            let ended = session_store::end_all(conn, user_id, None, SessionEnd::AccountDeleted, occasion).await?;
            occasion.tell(conn, user_id, &[Fact::AccountDeleted]).await?;
            let facts = MailFacts::default();
            super::mails::enqueue(conn, MailKind::AccountDeleted, &account.email, &facts, occasion.now).await?;
            Ok(Some(ended))
        })
        .await
    }

    /// Takes everything that names the person from one account that was deleted too long ago to come back; `None` when
    /// there is no more. `throttle_keys` are those that count the person's failures.
    pub async fn purge_account(
        &self,
        occasion: &Occasion,
        throttle_keys: impl Fn(&User, &Email) -> Vec<[u8; 32]> + Send + Sync,
    ) -> Result<Option<UserId>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let row: Option<(UserRow, String)> = users::table
                .filter(users::purged_at.is_null().and(users::deleted_at.le(occasion.now - RETURN_TIME)))
                .order(users::deleted_at)
                .select((UserRow::as_select(), users::email))
                .for_update()
                .skip_locked()
                .first(conn)
                .await
                .optional()?;
            let Some((row, email)) = row else { return Ok(None) };
            let (user, email) = (User::from(row), Email::stored(email));
            let keys: Vec<Vec<u8>> = throttle_keys(&user, &email).into_iter().map(|key| key.to_vec()).collect();
            diesel::delete(login_throttles::table.filter(login_throttles::login_hash.eq_any(keys)))
                .execute(conn)
                .await?;
            forget_belongings(conn, user.id).await?;
            forget_address(conn, &email).await?;
            anonymise(conn, user.id, occasion.now).await?;
            occasion.tell(conn, user.id, &[Fact::AccountPurged]).await?;
            Ok(Some(user.id))
        })
        .await
    }
}

/// The account with its row locked until the transaction ends; `None` when there is none, or it is purged.
pub(super) async fn lock(conn: &mut Connection, id: UserId) -> Result<Option<LockedAccount>, Error> {
    let row: Option<(UserRow, String, String, Option<OffsetDateTime>)> = users::table
        .find(id.as_uuid())
        .filter(users::purged_at.is_null())
        .select((UserRow::as_select(), users::email, users::password_hash, users::deleted_at))
        .for_no_key_update()
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(|(user, email, password_hash, deleted_at)| LockedAccount {
        user: user.into(),
        email: Email::stored(email),
        password_hash,
        deleted_at,
    }))
}

/// Brings a deleted account back, if it is one; false when it was deleted too long ago.
pub(super) async fn restore(
    conn: &mut Connection,
    account: &mut LockedAccount,
    occasion: &Occasion,
) -> Result<bool, Error> {
    let Some(deleted_at) = account.deleted_at else { return Ok(true) };
    if deleted_at + RETURN_TIME <= occasion.now {
        return Ok(false);
    }
    let user_id = account.user.id;
    diesel::update(users::table.find(user_id.as_uuid()))
        .set(users::deleted_at.eq(None::<OffsetDateTime>))
        .execute(conn)
        .await?;
    account.deleted_at = None;
    account.user.is_deleted = false;
    occasion.tell(conn, user_id, &[Fact::AccountRestored(account.user.clone())]).await?;
    let facts = MailFacts::default();
    super::mails::enqueue(conn, MailKind::AccountRestored, &account.email, &facts, occasion.now).await?;
    Ok(true)
}

/// What hangs on the account's id.
async fn forget_belongings(conn: &mut Connection, user_id: UserId) -> Result<(), Error> {
    let id: Uuid = user_id.as_uuid();
    let pairs = relationships::table.filter(relationships::low_id.eq(id).or(relationships::high_id.eq(id)));
    diesel::delete(pairs).execute(conn).await?;
    diesel::delete(sessions::table.filter(sessions::user_id.eq(id))).execute(conn).await?;
    diesel::delete(logins::table.filter(logins::user_id.eq(id))).execute(conn).await?;
    diesel::delete(known_devices::table.filter(known_devices::user_id.eq(id))).execute(conn).await?;
    diesel::delete(totp_secrets::table.find(id)).execute(conn).await?;
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(id))).execute(conn).await?;
    challenges::forget_all(conn, user_id).await?;
    diesel::delete(usernames::table.filter(usernames::user_id.eq(id))).execute(conn).await?;
    Ok(())
}

/// What hangs on the account's address.
async fn forget_address(conn: &mut Connection, email: &Email) -> Result<(), Error> {
    let email = email.as_str();
    diesel::delete(email_codes::table.find(email)).execute(conn).await?;
    diesel::delete(password_resets::table.find(email)).execute(conn).await?;
    diesel::delete(mails::table.filter(mails::recipient.eq(email))).execute(conn).await?;
    Ok(())
}

async fn anonymise(conn: &mut Connection, id: UserId, now: OffsetDateTime) -> Result<(), Error> {
    // `.invalid` (RFC 2606) never receives mail, and no person can register with it as their own.
    diesel::update(users::table.find(id.as_uuid()))
        .set((
            users::username.eq(format!("deleted_{id}")),
            users::email.eq(format!("{id}@deleted.invalid")),
            users::display_name.eq(""),
            users::password_hash.eq(""),
            users::bio.eq(""),
            users::avatar_media_id.eq(None::<Uuid>),
            users::purged_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
