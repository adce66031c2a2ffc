use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use crate::domain::{NotificationSettings, Preview};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    preview: String,
    #[diesel(sql_type = Bool)]
    are_mentions_muted: bool,
}

impl Row {
    fn settings(&self) -> NotificationSettings {
        let preview = Preview::from_store(&self.preview);
        NotificationSettings { preview, are_mentions_muted: self.are_mentions_muted }
    }
}

/// What people want to see; who has set nothing is absent.
///
/// # Errors
/// When the database does.
pub async fn notification_settings(
    conn: &mut Connection,
    users: &[UserId],
) -> Result<HashMap<UserId, NotificationSettings>, Error> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let query = "SELECT user_id, preview, are_mentions_muted FROM notification_settings WHERE user_id = ANY ($1)";
    let ids: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    let rows: Vec<Row> = sql_query(query).bind::<Array<SqlUuid>, _>(ids).load(conn).await?;
    Ok(rows.into_iter().map(|row| (UserId::from_uuid(row.user_id), row.settings())).collect())
}

/// Changes what somebody wants to see, where something is given; returns what holds then.
///
/// # Errors
/// When the database does.
pub async fn change_settings(
    conn: &mut Connection,
    user_id: UserId,
    preview: Option<Preview>,
    are_mentions_muted: Option<bool>,
) -> Result<NotificationSettings, Error> {
    let row: Row = sql_query(
        "INSERT INTO notification_settings AS kept (user_id, preview, are_mentions_muted) \
         VALUES ($1, coalesce($2, 'full'), coalesce($3, false)) \
         ON CONFLICT (user_id) DO UPDATE SET preview = coalesce($2, kept.preview), \
         are_mentions_muted = coalesce($3, kept.are_mentions_muted) \
         RETURNING user_id, preview, are_mentions_muted",
    )
    .bind::<SqlUuid, _>(user_id.as_uuid())
    .bind::<Nullable<Text>, _>(preview.map(Preview::as_str))
    .bind::<Nullable<Bool>, _>(are_mentions_muted)
    .get_result(conn)
    .await?;
    Ok(row.settings())
}
