use std::collections::BTreeMap;

use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{Cursor, IndexedMessage, Query};

const INSERT: &str = "\
INSERT INTO messages (chat_id, seq, epoch, sender_id, client_message_id, text, sent_at)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (chat_id, seq) DO UPDATE
SET epoch = excluded.epoch, sender_id = excluded.sender_id, client_message_id = excluded.client_message_id,
    text = excluded.text, sent_at = excluded.sent_at
WHERE messages.epoch <> excluded.epoch";

/// `querytree` is empty or `T` when no word need be there: such a query would read every message, and finds none.
const FIND: &str = "\
SELECT chat_id, seq, epoch, sender_id, client_message_id, text, sent_at
FROM messages
WHERE terms @@ websearch_to_tsquery('simple', $1)
  AND querytree(websearch_to_tsquery('simple', $1)) NOT IN ('', 'T')
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
    #[diesel(sql_type = Text)]
    epoch: String,
    #[diesel(sql_type = SqlUuid)]
    sender_id: Uuid,
    #[diesel(sql_type = Text)]
    client_message_id: String,
    #[diesel(sql_type = Text)]
    text: String,
    #[diesel(sql_type = Timestamptz)]
    sent_at: OffsetDateTime,
}

/// Indexes messages; those that are there already stay as they are, unless they are of another epoch. Tells how many
/// were written.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn insert(connection: &mut Connection, messages: &[IndexedMessage]) -> Result<usize, Error> {
    // One statement cannot write a row twice, and two must not wait for each other's rows: each address once, in order.
    let messages: BTreeMap<(ChatId, Seq), &IndexedMessage> =
        messages.iter().map(|message| ((message.chat_id, message.seq), message)).collect();
    let written = sql_query(INSERT)
        .bind::<Array<SqlUuid>, _>(column(&messages, |message| message.chat_id.as_uuid()))
        .bind::<Array<BigInt>, _>(column(&messages, |message| message.seq.as_i64()))
        .bind::<Array<Text>, _>(column(&messages, |message| message.epoch.as_str()))
        .bind::<Array<SqlUuid>, _>(column(&messages, |message| message.sender_id.as_uuid()))
        .bind::<Array<Text>, _>(column(&messages, |message| message.client_message_id.as_str()))
        .bind::<Array<Text>, _>(column(&messages, |message| message.text.as_str()))
        .bind::<Array<Timestamptz>, _>(column(&messages, |message| message.sent_at))
        .execute(connection)
        .await?;
    Ok(written)
}

fn column<'a, T>(
    messages: &BTreeMap<(ChatId, Seq), &'a IndexedMessage>,
    value: impl Fn(&'a IndexedMessage) -> T,
) -> Vec<T> {
    messages.values().map(|message| value(message)).collect()
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
            epoch: row.epoch,
            sender_id: UserId::from_uuid(row.sender_id),
            client_message_id: row.client_message_id,
            text: row.text,
            sent_at: row.sent_at,
        }
    }
}
