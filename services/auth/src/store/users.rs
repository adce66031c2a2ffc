use diesel::prelude::*;
use godwit_kernel::{MediaId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::users;
use crate::domain::{Bio, DisplayName, User, Username};

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
