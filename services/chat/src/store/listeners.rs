use diesel::sql_types::{Array, Bool, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::decode;
use crate::domain::{Kind, Listener, Listeners};

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Bool)]
    is_history_visible: bool,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    joined_at: OffsetDateTime,
    #[diesel(sql_type = Bool)]
    is_muted: bool,
}

/// Those of these pairs of chat and person where the person is in the chat, by chat, and whether it is muted at `now`.
///
/// # Errors
/// When the database does.
pub async fn listeners(
    conn: &mut Connection,
    pairs: &[(ChatId, UserId)],
    now: OffsetDateTime,
) -> Result<Vec<Listeners>, Error> {
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT c.id AS chat_id, c.kind, c.title, c.is_history_visible, m.user_id, m.joined_at,
             coalesce(s.muted_until > $3, false) AS is_muted
         FROM (SELECT DISTINCT chat_id, user_id FROM unnest($1, $2) AS asked (chat_id, user_id)) AS asked
         JOIN members m USING (chat_id, user_id)
         JOIN chats c ON c.id = m.chat_id AND c.deleted_at IS NULL
         LEFT JOIN chat_settings s ON s.user_id = m.user_id AND s.chat_id = m.chat_id
         ORDER BY m.chat_id, m.user_id",
    )
    .bind::<Array<SqlUuid>, _>(pairs.iter().map(|(chat_id, _)| chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(pairs.iter().map(|(_, user_id)| user_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    let mut chats: Vec<Listeners> = Vec::new();
    for row in rows {
        let chat_id = ChatId::from_uuid(row.chat_id);
        let listener =
            Listener { user_id: UserId::from_uuid(row.user_id), joined_at: row.joined_at, is_muted: row.is_muted };
        match chats.last_mut() {
            Some(listeners) if listeners.chat_id == chat_id => listeners.listeners.push(listener),
            _ => chats.push(Listeners {
                chat_id,
                kind: decode(Kind::from_store(&row.kind))?,
                title: row.title,
                is_history_visible: row.is_history_visible,
                listeners: vec![listener],
            }),
        }
    }
    Ok(chats)
}
