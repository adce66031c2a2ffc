use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_kernel::UserId;
use godwit_pg::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Store;
use super::accounts::RETURN_TIME;
use super::schema::{registrations, usernames, users};
use super::users::UserRow;
use crate::domain::{Email, Login, User};

/// What a login's password is compared with.
pub struct Credentials {
    /// bcrypt.
    pub password_hash: String,
    /// Who logs in when it is right.
    pub account: Account,
}

/// Whose credentials they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// A person who may log in.
    Verified(UserId),
    /// A registration that waits for its code.
    Unverified,
}

/// What a person who is logged in proves themselves by.
pub struct OwnCredentials {
    /// As others may see them.
    pub user: User,
    /// Their address.
    pub email: Email,
    /// bcrypt.
    pub password_hash: String,
}

impl Store {
    /// The account, or else the waiting registration, that a login names. Both are looked for whichever there is. An
    /// account that was deleted is one as long as it may come back.
    pub async fn credentials(&self, login: &Login, now: OffsetDateTime) -> Result<Option<Credentials>, Error> {
        let mut conn = self.pool.get().await?;
        let accounts = users::table
            .filter(users::purged_at.is_null())
            .filter(users::deleted_at.is_null().or(users::deleted_at.gt(now - RETURN_TIME)))
            .select((users::id, users::password_hash));
        let waiting =
            registrations::table.select(registrations::password_hash).filter(registrations::expires_at.gt(now));
        let account: Option<(Uuid, String)>;
        let registration: Option<String>;
        match login {
            Login::Email(email) => {
                let email = email.as_str();
                account = accounts.filter(users::email.eq(email)).first(&mut conn).await.optional()?;
                registration = waiting.filter(registrations::email.eq(email)).first(&mut conn).await.optional()?;
            }
            Login::Username(name) => {
                let name = name.as_str();
                account = accounts.filter(users::username.eq(name)).first(&mut conn).await.optional()?;
                let holder = usernames::table.find(name).select(usernames::registration_email).single_value();
                registration =
                    waiting.filter(registrations::email.nullable().eq(holder)).first(&mut conn).await.optional()?;
            }
        }
        if let Some((id, password_hash)) = account {
            return Ok(Some(Credentials { password_hash, account: Account::Verified(UserId::from_uuid(id)) }));
        }
        Ok(registration.map(|password_hash| Credentials { password_hash, account: Account::Unverified }))
    }

    /// The credentials of a person who is logged in; `None` when their account is deleted.
    pub async fn own_credentials(&self, id: UserId) -> Result<Option<OwnCredentials>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<(UserRow, String, String)> = users::table
            .find(id.as_uuid())
            .filter(users::deleted_at.is_null())
            .select((UserRow::as_select(), users::email, users::password_hash))
            .first(&mut conn)
            .await
            .optional()?;
        Ok(row.map(|(user, email, password_hash)| OwnCredentials {
            user: user.into(),
            email: Email::stored(email),
            password_hash,
        }))
    }
}
