//! What the search service asks for.

use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::message_row::OptionalMessageRow;
use super::prepared::Prepared;
use crate::domain::{Epoch, ListedMessage, Message};

#[derive(QueryableByName)]
struct SeenRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(embed)]
    message: OptionalMessageRow,
}

/// Messages as a member sees them: those that are there, and not hidden from them. Who is a member is not asked here,
/// but who has no row among three or more is not yet known to the log: nothing is theirs.
///
/// # Errors
/// When the database does.
pub async fn seen_messages(conn: &mut Connection, ids: &[MessageId], viewer: UserId) -> Result<Vec<Message>, Error> {
    let query = sql_query(
        "SELECT m.chat_id, m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras, m.reactions,
             m.edited_at, m.edit_count, m.deleted_at,
             (SELECT r.emoji FROM reactions r
              WHERE r.chat_id = m.chat_id AND r.seq = m.seq AND r.user_id = $3) AS my_reaction
         FROM unnest($1, $2) AS k (chat_id, seq)
         JOIN messages m ON m.chat_id = k.chat_id AND m.seq = k.seq
         LEFT JOIN participants p ON p.chat_id = m.chat_id AND p.user_id = $3
         WHERE m.deleted_at IS NULL
             AND m.seq >= coalesce(p.visible_from_seq, 0) AND m.seq > coalesce(p.cleared_seq, 0)
             AND (p.user_id IS NOT NULL OR NOT EXISTS (
                 SELECT FROM participants x WHERE x.chat_id = m.chat_id ORDER BY x.chat_id, x.user_id OFFSET 2
             ))
             AND NOT EXISTS (
                 SELECT FROM hidden_messages x
                 WHERE x.chat_id = m.chat_id AND x.user_id = $3 AND x.seq = m.seq OFFSET 0
             )",
    )
    .bind::<Array<SqlUuid>, _>(ids.iter().map(|id| id.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(ids.iter().map(|id| id.seq.as_i64()).collect::<Vec<_>>())
    .bind::<SqlUuid, _>(viewer.as_uuid());
    let rows: Vec<SeenRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().filter_map(|row| row.message.into_message(ChatId::from_uuid(row.chat_id))).collect())
}

#[derive(QueryableByName)]
struct ListedRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = Text)]
    epoch: String,
    #[diesel(embed)]
    message: OptionalMessageRow,
}

/// The first `limit` messages of all chats after an address, by chat and seq.
///
/// # Errors
/// When the database does.
pub async fn list_all_messages(
    conn: &mut Connection,
    after: Option<MessageId>,
    limit: u32,
) -> Result<Vec<ListedMessage>, Error> {
    let query = sql_query(
        "SELECT m.chat_id, h.last_seq, h.epoch, m.seq, m.sender_id, m.client_message_id, m.text, m.sent_at, m.extras,
             m.reactions, m.edited_at, m.edit_count, m.deleted_at, NULL::text AS my_reaction
         FROM (
             SELECT * FROM messages one
             WHERE (one.chat_id, one.seq) > (coalesce($1, '00000000-0000-0000-0000-000000000000'), coalesce($2, -1))
                 AND one.deleted_at IS NULL
             ORDER BY one.chat_id, one.seq LIMIT $3
         ) AS m JOIN chat_heads h ON h.chat_id = m.chat_id
         ORDER BY m.chat_id, m.seq",
    )
    .bind::<Nullable<SqlUuid>, _>(after.map(|id| id.chat_id.as_uuid()))
    .bind::<Nullable<BigInt>, _>(after.map(|id| id.seq.as_i64()))
    .bind::<BigInt, _>(i64::from(limit));
    let rows: Vec<ListedRow> = Prepared(query).load(conn).await?;
    let listed = rows.into_iter().filter_map(|row| {
        let message = row.message.into_message(ChatId::from_uuid(row.chat_id))?;
        Some(ListedMessage { message, as_of: Seq::from_i64(row.last_seq), epoch: Epoch::from_store(row.epoch) })
    });
    Ok(listed.collect())
}
