use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_kernel::{SessionId, UserId};
use godwit_pg::{Connection, Error};

use super::schema::users;
use super::{MailFacts, MailKind, Occasion, Store, accounts, challenges, mails, sessions};
use crate::domain::{Email, EndedSession, Fact, PasswordProof, SessionEnd};

/// Another password for an account.
pub struct PasswordChange<'a> {
    /// Whose.
    pub user_id: UserId,
    /// The hash that the password before was compared with.
    pub old_hash: &'a str,
    /// bcrypt.
    pub new_hash: &'a str,
    /// The session that goes on.
    pub session_id: SessionId,
}

impl Store {
    /// Sets another password and ends all other sessions; `None` when the password changed meanwhile, or the account is
    /// deleted.
    pub async fn change_password(
        &self,
        change: &PasswordChange<'_>,
        occasion: &Occasion,
    ) -> Result<Option<Vec<EndedSession>>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let account = accounts::lock(conn, change.user_id).await?;
            let account =
                account.filter(|account| account.deleted_at.is_none() && account.password_hash == change.old_hash);
            let Some(account) = account else { return Ok(None) };
            set(conn, change.user_id, change.new_hash, occasion).await?;
            tell(conn, change.user_id, &account.email, PasswordProof::Password, occasion).await?;
            let but = Some(change.session_id);
            Ok(Some(sessions::end_all(conn, change.user_id, but, SessionEnd::PasswordChanged, occasion).await?))
        })
        .await
    }
}

/// Writes another hash. Logins that wait for their second factor used the password before.
pub(super) async fn set(conn: &mut Connection, user_id: UserId, hash: &str, occasion: &Occasion) -> Result<(), Error> {
    diesel::update(users::table.find(user_id.as_uuid()))
        .set((users::password_hash.eq(hash), users::password_changed_at.eq(occasion.now)))
        .execute(conn)
        .await?;
    challenges::forget_all(conn, user_id).await
}

/// Tells the person and those who listen.
pub(super) async fn tell(
    conn: &mut Connection,
    user_id: UserId,
    email: &Email,
    by: PasswordProof,
    occasion: &Occasion,
) -> Result<(), Error> {
    occasion.tell(conn, user_id, &[Fact::PasswordChanged { by }]).await?;
    mails::enqueue(conn, MailKind::PasswordChanged, email, &MailFacts::default(), occasion.now).await
}
