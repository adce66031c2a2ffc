use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_kernel::UserId;
use godwit_pg::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Store;
use super::schema::{registrations, usernames, users};
use crate::domain::{DisplayName, Email, Login, User, Username};

/// What a login's password is compared with.
#[derive(Debug)]
pub struct Credentials {
    /// bcrypt.
    pub password_hash: String,
    /// Who logs in when it is right.
    pub account: Account,
}

/// Whose credentials they are.
#[derive(Debug)]
pub enum Account {
    /// A person who may log in.
    Verified(User),
    /// A registration that waits for its code.
    Unverified,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
struct UserRow {
    id: Uuid,
    username: String,
    display_name: String,
    created_at: OffsetDateTime,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId::from_uuid(row.id),
            username: Username::stored(row.username),
            display_name: DisplayName::stored(row.display_name),
            created_at: row.created_at,
        }
    }
}

impl Store {
    /// The account, or else the waiting registration, that a login names.
    pub async fn credentials(&self, login: &Login, now: OffsetDateTime) -> Result<Option<Credentials>, Error> {
        let mut conn = self.pool.get().await?;
        let columns = (UserRow::as_select(), users::password_hash);
        let found: Option<(UserRow, String)> = match login {
            Login::Email(email) => users::table
                .filter(users::email.eq(email.as_str()))
                .select(columns)
                .first(&mut conn)
                .await
                .optional()?,
            Login::Username(name) => users::table
                .filter(users::username.eq(name.as_str()))
                .select(columns)
                .first(&mut conn)
                .await
                .optional()?,
        };
        if let Some((row, password_hash)) = found {
            return Ok(Some(Credentials { password_hash, account: Account::Verified(row.into()) }));
        }
        let waiting =
            registrations::table.select(registrations::password_hash).filter(registrations::expires_at.gt(now));
        let found: Option<String> = match login {
            Login::Email(email) => {
                waiting.filter(registrations::email.eq(email.as_str())).first(&mut conn).await.optional()?
            }
            Login::Username(name) => {
                let holder = usernames::table.find(name.as_str()).select(usernames::registration_email).single_value();
                waiting.filter(registrations::email.nullable().eq(holder)).first(&mut conn).await.optional()?
            }
        };
        Ok(found.map(|password_hash| Credentials { password_hash, account: Account::Unverified }))
    }

    /// The user with this id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<UserRow> =
            users::table.find(id.as_uuid()).select(UserRow::as_select()).first(&mut conn).await.optional()?;
        Ok(row.map(User::from))
    }

    /// The user with this id, and their address: for themselves only.
    pub async fn user_with_email(&self, id: UserId) -> Result<Option<(User, Email)>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<(UserRow, String)> = users::table
            .find(id.as_uuid())
            .select((UserRow::as_select(), users::email))
            .first(&mut conn)
            .await
            .optional()?;
        Ok(row.map(|(row, email)| (row.into(), Email::stored(email))))
    }

    /// The user with this name.
    pub async fn user_by_username(&self, name: &Username) -> Result<Option<User>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<UserRow> = users::table
            .filter(users::username.eq(name.as_str()))
            .select(UserRow::as_select())
            .first(&mut conn)
            .await
            .optional()?;
        Ok(row.map(User::from))
    }

    /// The users with these ids, in id order; unknown ids are absent.
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, Error> {
        let ids: Vec<Uuid> = ids.iter().map(UserId::as_uuid).collect();
        let mut conn = self.pool.get().await?;
        let rows: Vec<UserRow> = users::table
            .filter(users::id.eq_any(ids))
            .order(users::id)
            .select(UserRow::as_select())
            .load(&mut conn)
            .await?;
        Ok(rows.into_iter().map(User::from).collect())
    }
}
