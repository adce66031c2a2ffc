use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_kernel::{MediaId, UserId};
use godwit_pg::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Store;
use super::schema::users;
use crate::domain::{Bio, DisplayName, Email, User, Username};

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(super) struct UserRow {
    id: Uuid,
    username: String,
    display_name: String,
    created_at: OffsetDateTime,
    bio: String,
    avatar_media_id: Option<Uuid>,
    deleted_at: Option<OffsetDateTime>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId::from_uuid(row.id),
            username: Username::stored(row.username),
            display_name: DisplayName::stored(row.display_name),
            created_at: row.created_at,
            bio: Bio::stored(row.bio),
            avatar_id: row.avatar_media_id.map(MediaId::from_uuid),
            is_deleted: row.deleted_at.is_some(),
        }
    }
}

impl Store {
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
