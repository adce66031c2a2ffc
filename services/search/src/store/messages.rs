use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{Cursor, IndexedMessage, Query};

const INSERT: &str = "\
INSERT INTO messages (chat_id, seq, sender_id, client_message_id, text, sent_at)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING";

const FIND: &str = "\
SELECT chat_id, seq, sender_id, client_message_id, text, sent_at
FROM messages
WHERE terms @@ websearch_to_tsquery('simple', $1)
  AND chat_id = ANY ($2)
  AND ($3 IS NULL OR (sent_at, chat_id, seq) < ($3, $4, $5))
ORDER BY sent_at DESC, chat_id DESC, seq DESC
LIMIT $6";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = SqlUuid)]
    sender_id: Uuid,
    #[diesel(sql_type = Text)]
    client_message_id: String,
    #[diesel(sql_type = Text)]
    text: String,
    #[diesel(sql_type = Timestamptz)]
    sent_at: OffsetDateTime,
}

/// Indexes messages; those that are there already stay as they are. Tells how many were new.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn insert(connection: &mut Connection, messages: &[IndexedMessage]) -> Result<usize, Error> {
    let column = |pick: fn(&IndexedMessage) -> Uuid| messages.iter().map(pick).collect::<Vec<_>>();
    let inserted = sql_query(INSERT)
        .bind::<Array<SqlUuid>, _>(column(|message| message.chat_id.as_uuid()))
        .bind::<Array<BigInt>, _>(messages.iter().map(|message| message.seq.as_i64()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(column(|message| message.sender_id.as_uuid()))
        .bind::<Array<Text>, _>(messages.iter().map(|message| message.client_message_id.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(messages.iter().map(|message| message.sent_at).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(inserted)
}

/// The newest messages of these chats that match and are older than the cursor.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn find(
    connection: &mut Connection,
    query: &Query,
    chat_ids: &[ChatId],
    before: Option<Cursor>,
    limit: u32,
) -> Result<Vec<IndexedMessage>, Error> {
    let rows: Vec<Row> = sql_query(FIND)
        .bind::<Text, _>(query.as_str())
        .bind::<Array<SqlUuid>, _>(chat_ids.iter().map(ChatId::as_uuid).collect::<Vec<_>>())
        .bind::<Nullable<Timestamptz>, _>(before.map(|cursor| cursor.sent_at))
        .bind::<Nullable<SqlUuid>, _>(before.map(|cursor| cursor.message_id.chat_id.as_uuid()))
        .bind::<Nullable<BigInt>, _>(before.map(|cursor| cursor.message_id.seq.as_i64()))
        .bind::<BigInt, _>(i64::from(limit))
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(IndexedMessage::from).collect())
}

impl From<Row> for IndexedMessage {
    fn from(row: Row) -> Self {
        Self {
            chat_id: ChatId::from_uuid(row.chat_id),
            seq: Seq::from_i64(row.seq),
            sender_id: UserId::from_uuid(row.sender_id),
            client_message_id: row.client_message_id,
            text: row.text,
            sent_at: row.sent_at,
        }
    }
}
