use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_pg::{Connection, Error, Prepared};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{Cursor, IndexedMessage, MessageChange, MessageState, Query};

/// Messages of deleted chats are left out. `domain::standing` decides alike which change stands.
const WRITE: &str = "\
INSERT INTO messages (chat_id, seq, epoch, version, is_deleted, sender_id, client_message_id, text, sent_at)
SELECT c.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
    AS c (chat_id, seq, epoch, version, is_deleted, sender_id, client_message_id, text, sent_at)
WHERE NOT EXISTS (SELECT FROM deleted_chats d WHERE d.chat_id = c.chat_id)
ON CONFLICT (chat_id, seq) DO UPDATE
SET epoch = excluded.epoch, version = excluded.version, is_deleted = excluded.is_deleted,
    sender_id = excluded.sender_id, client_message_id = excluded.client_message_id, text = excluded.text,
    sent_at = excluded.sent_at
WHERE messages.epoch <> excluded.epoch
   OR NOT messages.is_deleted AND (excluded.is_deleted OR excluded.version > messages.version)";

/// Whoever writes messages holds it shared, who bars a chat holds it alone: so nothing of a barred chat is written after.
const BARRING_LOCK: i64 = 0x676f_6477_6974_7363;

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

/// Writes changes, one a message and in the order of their addresses, as far as they stand against what is there. Tells
/// how many were written.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn write(connection: &mut Connection, changes: &[MessageChange]) -> Result<usize, Error> {
    let rows: Vec<NewRow<'_>> = changes.iter().map(NewRow::from).collect();
    connection
        .transaction(async |connection| {
            let lock = sql_query("SELECT pg_advisory_xact_lock_shared($1)").bind::<BigInt, _>(BARRING_LOCK);
            Prepared(lock).execute(connection).await?;
            let query = sql_query(WRITE)
                .bind::<Array<SqlUuid>, _>(column(&rows, |row| row.chat_id.as_uuid()))
                .bind::<Array<BigInt>, _>(column(&rows, |row| row.seq.as_i64()))
                .bind::<Array<Text>, _>(column(&rows, |row| row.epoch))
                .bind::<Array<BigInt>, _>(column(&rows, |row| row.version.as_i64()))
                .bind::<Array<Bool>, _>(column(&rows, |row| row.is_deleted))
                .bind::<Array<SqlUuid>, _>(column(&rows, |row| row.sender_id))
                .bind::<Array<Text>, _>(column(&rows, |row| row.client_message_id))
                .bind::<Array<Text>, _>(column(&rows, |row| row.text))
                .bind::<Array<Timestamptz>, _>(column(&rows, |row| row.sent_at));
            let written = Prepared(query).execute(connection).await?;
            Ok(written)
        })
        .await
}

/// A change as its row.
struct NewRow<'a> {
    chat_id: ChatId,
    seq: Seq,
    epoch: &'a str,
    version: Seq,
    is_deleted: bool,
    sender_id: Uuid,
    client_message_id: &'a str,
    text: &'a str,
    sent_at: OffsetDateTime,
}

impl<'a> From<&'a MessageChange> for NewRow<'a> {
    fn from(change: &'a MessageChange) -> Self {
        let ((chat_id, seq), version) = (change.address(), change.version);
        match &change.state {
            MessageState::There(message) => Self {
                chat_id,
                seq,
                epoch: &message.epoch,
                version,
                is_deleted: false,
                sender_id: message.sender_id.as_uuid(),
                client_message_id: &message.client_message_id,
                text: &message.text,
                sent_at: message.sent_at,
            },
            MessageState::Deleted { epoch, told_at, .. } => Self {
                chat_id,
                seq,
                epoch,
                version,
                is_deleted: true,
                sender_id: Uuid::nil(),
                client_message_id: "",
                text: "",
                sent_at: *told_at,
            },
        }
    }
}

fn column<'a, 'b, T>(rows: &'b [NewRow<'a>], value: impl Fn(&'b NewRow<'a>) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// From now on nothing of the chat is written; tells whether it was not so before.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn bar_chat(connection: &mut Connection, chat_id: ChatId, now: OffsetDateTime) -> Result<bool, Error> {
    connection
        .transaction(async |connection| {
            sql_query("SELECT pg_advisory_xact_lock($1)").bind::<BigInt, _>(BARRING_LOCK).execute(connection).await?;
            let barred =
                sql_query("INSERT INTO deleted_chats (chat_id, deleted_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                    .bind::<SqlUuid, _>(chat_id.as_uuid())
                    .bind::<Timestamptz, _>(now)
                    .execute(connection)
                    .await?;
            Ok(barred > 0)
        })
        .await
}

/// Removes at most `limit` messages of a chat, and tells how many.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn remove_messages(connection: &mut Connection, chat_id: ChatId, limit: i64) -> Result<i64, Error> {
    let removed = sql_query(
        "DELETE FROM messages WHERE chat_id = $1
         AND seq IN (SELECT seq FROM messages WHERE chat_id = $1 ORDER BY seq LIMIT $2)",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<BigInt, _>(limit)
    .execute(connection)
    .await?;
    Ok(i64::try_from(removed).unwrap_or(i64::MAX))
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
