//! Deletion is real: what was said leaves every row that holds it.

use std::collections::HashSet;

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, MessageId, Seq};
use godwit_pg::Connection;
use uuid::Uuid;

use super::AppendError;
use super::write::keys;
use crate::domain::limits::REPLIES_PER_DELETION;
use crate::domain::{Changes, Message};
use crate::store::prepared::Prepared;
use crate::wire::{Scrub, decode_extras, encode_extras, scrub_update};

/// Takes the content of the batch's deleted messages out of all that holds it, but for their own rows. Of the replies to
/// them only the first 500 are reached, and those that the batch changes; the rest is left to the worker.
pub(super) async fn erase(conn: &mut Connection, changes: &Changes) -> Result<(), AppendError> {
    let replies = replies(conn, &changes.erased).await?;
    if i64::try_from(replies.len()).is_ok_and(|count| count >= REPLIES_PER_DELETION) {
        request_scrubs(conn, &changes.erased).await?;
    }
    forget_snippets(conn, replies.iter().filter(|reply| !changes.messages.contains_key(&reply.id))).await?;
    let holders: HashSet<MessageId> = replies.iter().map(|reply| reply.id).chain(changed_replies(changes)).collect();
    scrub_updates(conn, &changes.erased, &holders).await?;
    delete_rows(conn, &changes.erased).await
}

/// The replies to deleted messages that the batch changes. Their rows are written already, and are no more found as replies.
fn changed_replies(changes: &Changes) -> impl Iterator<Item = MessageId> {
    changes.messages.values().filter_map(|message| {
        let answered = MessageId { chat_id: message.chat_id, seq: message.reply_to_seq()? };
        changes.erased.contains(&answered).then(|| message.id())
    })
}

/// Empties the snippets of at most 500 more replies to a deleted message; how many there were. In the transaction of the
/// caller, who holds the lock on the chat's head.
pub(in crate::store) async fn erase_replies(conn: &mut Connection, id: MessageId) -> Result<usize, AppendError> {
    let erased = HashSet::from([id]);
    let replies = replies(conn, &erased).await?;
    forget_snippets(conn, replies.iter()).await?;
    scrub_updates(conn, &erased, &replies.iter().map(|reply| reply.id).collect()).await?;
    Ok(replies.len())
}

/// Empties the snippets of some replies to deleted messages that were not reached yet. In the transaction of the caller, who
/// holds the locks on the chats' heads.
pub(super) async fn erase_quotations(conn: &mut Connection, replies: &[Message]) -> Result<(), AppendError> {
    let erased = replies
        .iter()
        .filter_map(|reply| Some(MessageId { chat_id: reply.chat_id, seq: reply.reply_to_seq()? }))
        .collect();
    let rows: Vec<ReplyRow> = replies
        .iter()
        .map(|reply| ReplyRow {
            id: reply.id(),
            extras: reply.extras.as_deref().map(encode_extras).unwrap_or_default(),
        })
        .collect();
    forget_snippets(conn, rows.iter()).await?;
    scrub_updates(conn, &erased, &rows.iter().map(|reply| reply.id).collect()).await
}

/// A message that answers a deleted one.
struct ReplyRow {
    id: MessageId,
    extras: Vec<u8>,
}

#[derive(QueryableByName)]
struct StoredReply {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Binary)]
    extras: Vec<u8>,
}

async fn replies(conn: &mut Connection, erased: &HashSet<MessageId>) -> Result<Vec<ReplyRow>, AppendError> {
    let (chats, seqs) = keys(erased);
    let query = sql_query(
        "SELECT r.chat_id, r.seq, coalesce(r.extras, ''::bytea) AS extras
         FROM unnest($1, $2) AS k (chat_id, seq)
         CROSS JOIN LATERAL (
             SELECT chat_id, seq, extras FROM messages
             WHERE chat_id = k.chat_id AND reply_to_seq = k.seq LIMIT $3
         ) AS r LIMIT $3",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<BigInt, _>(REPLIES_PER_DELETION);
    let rows: Vec<StoredReply> = Prepared(query).load(conn).await?;
    let replies = rows.into_iter().map(|row| ReplyRow {
        id: MessageId { chat_id: ChatId::from_uuid(row.chat_id), seq: Seq::from_i64(row.seq) },
        extras: row.extras,
    });
    Ok(replies.collect())
}

/// A reply whose snippet is empty is no more found as a reply.
async fn forget_snippets<'a>(
    conn: &mut Connection,
    replies: impl Iterator<Item = &'a ReplyRow> + Clone,
) -> Result<(), AppendError> {
    let (chats, seqs) = keys(replies.clone().map(|reply| &reply.id));
    if chats.is_empty() {
        return Ok(());
    }
    let extras = replies.map(|reply| {
        let mut extras = decode_extras(&reply.extras);
        extras.forget_snippet();
        encode_extras(&extras)
    });
    let query = sql_query(
        "UPDATE messages m SET extras = n.extras, reply_to_seq = NULL
         FROM unnest($1, $2, $3) AS n (chat_id, seq, extras) WHERE m.chat_id = n.chat_id AND m.seq = n.seq",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<Binary>, _>(extras.collect::<Vec<_>>());
    Prepared(query).execute(conn).await?;
    Ok(())
}

#[derive(QueryableByName)]
struct StoredPayload {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Binary)]
    payload: Vec<u8>,
}

/// Rewrites the stored updates.
async fn scrub_updates(
    conn: &mut Connection,
    erased: &HashSet<MessageId>,
    replies: &HashSet<MessageId>,
) -> Result<(), AppendError> {
    let (chats, seqs) = keys(erased.union(replies));
    let query = sql_query(
        "WITH k AS (
             SELECT * FROM unnest($1, $2) AS k (chat_id, seq)
         ), holders AS (
             SELECT chat_id, seq FROM k
             UNION SELECT c.chat_id, c.update_seq FROM k JOIN content_updates c ON c.chat_id = k.chat_id AND c.seq = k.seq
         )
         SELECT h.chat_id, h.seq, l.payload FROM holders h
         JOIN sync_log l ON l.chat_id = h.chat_id AND l.seq = h.seq",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs);
    let rows: Vec<StoredPayload> = Prepared(query).load(conn).await?;
    let (mut chats, mut seqs, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        if let Some(payload) = scrub_update(&Bytes::from(row.payload), Scrub { erased }) {
            chats.push(row.chat_id);
            seqs.push(row.seq);
            payloads.push(payload.to_vec());
        }
    }
    let query = sql_query(
        "UPDATE sync_log l SET payload = n.payload FROM unnest($1, $2, $3) AS n (chat_id, seq, payload)
         WHERE l.chat_id = n.chat_id AND l.seq = n.seq",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs)
    .bind::<Array<Binary>, _>(payloads);
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn delete_rows(conn: &mut Connection, erased: &HashSet<MessageId>) -> Result<(), AppendError> {
    let (chats, seqs) = keys(erased);
    let query = sql_query(
        "WITH k AS (
             SELECT * FROM unnest($1, $2) AS k (chat_id, seq)
         ), versions AS (
             DELETE FROM message_versions t USING k WHERE t.chat_id = k.chat_id AND t.seq = k.seq
         ), given AS (
             DELETE FROM reactions t USING k WHERE t.chat_id = k.chat_id AND t.seq = k.seq
         ), holders AS (
             DELETE FROM content_updates t USING k WHERE t.chat_id = k.chat_id AND t.seq = k.seq
         )
         DELETE FROM pins t USING k WHERE t.chat_id = k.chat_id AND t.seq = k.seq",
    )
    .bind::<Array<SqlUuid>, _>(chats)
    .bind::<Array<BigInt>, _>(seqs);
    Prepared(query).execute(conn).await?;
    Ok(())
}

async fn request_scrubs(conn: &mut Connection, erased: &HashSet<MessageId>) -> Result<(), AppendError> {
    let (chats, seqs) = keys(erased);
    let query = sql_query("INSERT INTO scrubs (chat_id, seq) SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING")
        .bind::<Array<SqlUuid>, _>(chats)
        .bind::<Array<BigInt>, _>(seqs);
    Prepared(query).execute(conn).await?;
    Ok(())
}
