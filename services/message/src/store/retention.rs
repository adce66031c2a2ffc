use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Double, Nullable, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::ChatId;
use godwit_pg::{Connection, Error};
use std::time::Duration;
use uuid::Uuid;

use super::prepared::Prepared;

/// Chats that are looked at together.
const CHATS: i64 = 200;
/// Updates that are deleted together.
const BATCH: i64 = 5_000;

/// A walk over all logs, some at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPart {
    /// The chats up to it were looked at; `None` before the first.
    pub after: Option<ChatId>,
    /// How many updates were deleted; there may be more of these chats when it is as many as are deleted together.
    pub deleted: usize,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    last: Option<Uuid>,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    deleted: i64,
}

/// Forgets the updates of the next chats that occurred longer ago than `age`: their logs begin later from now on, and what
/// is before is deleted, with what told that another service's change was in the log. What the stream has not got yet stays. `after` of the answer is `None` when there is no chat
/// left.
///
/// # Errors
/// When the database does.
pub async fn expire_logs(conn: &mut Connection, after: Option<ChatId>, age: Duration) -> Result<LogPart, Error> {
    let nil = Uuid::nil();
    let query = sql_query(
        "WITH part AS (
             SELECT chat_id, first_seq, last_seq, changed_at FROM chat_heads
             WHERE chat_id > $1 ORDER BY chat_id LIMIT $2
         ), cut AS (
             SELECT p.chat_id, CASE WHEN p.changed_at > i.instant
                 THEN first_seq_after(p.chat_id, p.first_seq, p.last_seq, i.instant) ELSE p.last_seq + 1 END AS first_seq
             FROM part p, (
                 SELECT least(clock_timestamp() - make_interval(secs => $3),
                     published_until() - interval '1 microsecond') AS instant
             ) AS i
             WHERE p.first_seq <= p.last_seq
         ), moved AS (
             UPDATE chat_heads h SET first_seq = cut.first_seq FROM cut
             WHERE h.chat_id = cut.chat_id AND h.first_seq < cut.first_seq
         )
         SELECT (SELECT chat_id FROM part ORDER BY chat_id DESC LIMIT 1) AS last",
    )
    .bind::<SqlUuid, _>(after.map_or(nil, |id| id.as_uuid()))
    .bind::<BigInt, _>(CHATS)
    .bind::<Double, _>(age.as_secs_f64());
    let row: Row = Prepared(query).get_result(conn).await?;
    let Some(last) = row.last else {
        return Ok(LogPart::default());
    };
    let query = sql_query(
        "WITH gone AS (
             DELETE FROM sync_log WHERE (chat_id, seq) IN (
                 SELECT l.chat_id, l.seq FROM (
                     SELECT chat_id, first_seq FROM chat_heads WHERE chat_id > $1 AND chat_id <= $2 ORDER BY chat_id
                 ) AS h CROSS JOIN LATERAL (
                     SELECT chat_id, seq FROM sync_log
                     WHERE chat_id = h.chat_id AND seq < h.first_seq AND occurred_at < published_until() LIMIT $3
                 ) AS l LIMIT $3
             ) RETURNING chat_id, seq
         ), events AS (
             DELETE FROM applied_events t USING gone WHERE t.chat_id = gone.chat_id AND t.seq = gone.seq
         )
         SELECT count(*) AS deleted FROM gone",
    )
    .bind::<SqlUuid, _>(after.map_or(nil, |id| id.as_uuid()))
    .bind::<SqlUuid, _>(last)
    .bind::<BigInt, _>(BATCH);
    let CountRow { deleted } = Prepared(query).get_result(conn).await?;
    let is_done = deleted < BATCH;
    let deleted = usize::try_from(deleted).unwrap_or(usize::MAX);
    // With more to delete the same chats are looked at again.
    let reached = if is_done { Some(ChatId::from_uuid(last)) } else { after };
    Ok(LogPart { after: reached.or(Some(ChatId::from_uuid(nil))), deleted })
}
