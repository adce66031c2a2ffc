use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Double, Jsonb, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, Seq};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::Headers;

/// An update that is committed and not yet in the sync log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The chat.
    pub chat_id: ChatId,
    /// Its place in the chat's log.
    pub seq: Seq,
    /// An encoded `godwit.v1.Update`.
    pub payload: Bytes,
    /// For the record on the stream.
    pub headers: Headers,
}

/// Which rows the sweeper takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Those that have been there for 2 s and were not taken before.
    First,
    /// Those that were taken before and are due again.
    Again,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Binary)]
    payload: Vec<u8>,
    #[diesel(sql_type = Jsonb)]
    headers: serde_json::Value,
}

/// Takes at most `limit` rows that are due, longest due first, and makes them due again after a pause that doubles
/// with each time up to five minutes. They are returned in chat and seq order.
///
/// # Errors
/// When the database does.
pub async fn claim_outbox(conn: &mut Connection, sweep: Sweep, limit: u32) -> Result<Vec<OutboxRow>, Error> {
    let sql = match sweep {
        Sweep::First => CLAIM_FIRST,
        Sweep::Again => CLAIM_AGAIN,
    };
    let query = sql_query(sql).bind::<BigInt, _>(i64::from(limit));
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let mut rows: Vec<OutboxRow> = rows.into_iter().map(OutboxRow::from).collect();
    rows.sort_by_key(|row| (row.chat_id, row.seq));
    Ok(rows)
}

impl From<Row> for OutboxRow {
    fn from(row: Row) -> Self {
        let headers = match row.headers {
            serde_json::Value::Object(pairs) => pairs
                .into_iter()
                .filter_map(|(name, value)| value.as_str().map(|value| (name, value.to_owned())))
                .collect(),
            _ => Headers::new(),
        };
        Self {
            chat_id: ChatId::from_uuid(row.chat_id),
            seq: Seq::from_i64(row.seq),
            payload: row.payload.into(),
            headers,
        }
    }
}

/// Skips rows that the sync log takes at this moment: neither waits for the other.
macro_rules! claim {
    ($part:literal) => {
        concat!(
            "WITH due AS (
                 SELECT chat_id, seq FROM outbox WHERE ",
            $part,
            " AND next_attempt_at <= statement_timestamp()
                 ORDER BY next_attempt_at, chat_id, seq LIMIT $1 FOR UPDATE SKIP LOCKED
             )
             UPDATE outbox o SET attempts = o.attempts + 1,
                 next_attempt_at = clock_timestamp() + make_interval(secs => least(2 ^ least(o.attempts + 1, 9), 300))
             FROM due WHERE o.chat_id = due.chat_id AND o.seq = due.seq
             RETURNING o.chat_id, o.seq, o.payload, o.headers"
        )
    };
}

const CLAIM_FIRST: &str = claim!("attempts = 0");
const CLAIM_AGAIN: &str = claim!("attempts > 0");

/// Moves updates that the stream has brought back from the outbox to the sync log, in one statement and so in one
/// transaction; what is there already stays. Returns how many were moved.
///
/// The bytes come from the outbox and never from the stream: a stray record can take nothing from the log and put
/// nothing into it. The commit does not wait for the disk: when it is lost, the updates are in the outbox still, and the
/// sweeper brings them again.
///
/// # Errors
/// When the database does.
pub async fn move_to_sync_log(conn: &mut Connection, updates: &[(ChatId, Seq)]) -> Result<usize, Error> {
    let query = sql_query(
        "WITH brought AS (
             DELETE FROM outbox o USING unnest($1, $2) AS r (chat_id, seq)
             WHERE o.chat_id = r.chat_id AND o.seq = r.seq
             RETURNING o.chat_id, o.seq, o.payload, o.occurred_at
         )
         INSERT INTO sync_log (chat_id, seq, payload, occurred_at)
         SELECT chat_id, seq, payload, occurred_at
         FROM brought CROSS JOIN (SELECT set_config('synchronous_commit', 'off', true)) AS hurried
         ON CONFLICT (chat_id, seq) DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(updates.iter().map(|(chat_id, _)| chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(updates.iter().map(|(_, seq)| seq.as_i64()).collect::<Vec<_>>());
    Ok(Prepared(query).execute(conn).await?)
}

#[derive(QueryableByName)]
struct PayloadRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Binary)]
    payload: Vec<u8>,
}

/// The updates as they are in the outbox now; those that have left it are absent.
///
/// # Errors
/// When the database does.
pub async fn outbox_payloads(
    conn: &mut Connection,
    updates: &[(ChatId, Seq)],
) -> Result<HashMap<(ChatId, Seq), Bytes>, Error> {
    let query = sql_query(
        "SELECT o.chat_id, o.seq, o.payload FROM unnest($1, $2) AS k (chat_id, seq)
         JOIN outbox o ON o.chat_id = k.chat_id AND o.seq = k.seq",
    )
    .bind::<Array<SqlUuid>, _>(updates.iter().map(|(chat_id, _)| chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(updates.iter().map(|(_, seq)| seq.as_i64()).collect::<Vec<_>>());
    let rows: Vec<PayloadRow> = Prepared(query).load(conn).await?;
    let payloads = rows
        .into_iter()
        .map(|row| ((ChatId::from_uuid(row.chat_id), Seq::from_i64(row.seq)), Bytes::from(row.payload)));
    Ok(payloads.collect())
}

/// Who sweeps, and for how long without renewing.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// A random name of the replica.
    pub holder: Uuid,
    /// How long it holds.
    pub ttl: Duration,
}

/// Takes or renews the right to sweep; false when another replica has it. One replica at a time sweeps, so that the
/// order of a chat is kept.
///
/// # Errors
/// When the database does.
pub async fn renew_lease(conn: &mut Connection, lease: Lease) -> Result<bool, Error> {
    let query = sql_query(
        "INSERT INTO sweeper_lease AS l (holder, held_until)
         VALUES ($1, clock_timestamp() + make_interval(secs => $2))
         ON CONFLICT (is_only) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
         WHERE l.holder = excluded.holder OR l.held_until < clock_timestamp()",
    )
    .bind::<SqlUuid, _>(lease.holder)
    .bind::<Double, _>(lease.ttl.as_secs_f64());
    Ok(Prepared(query).execute(conn).await? > 0)
}

/// How much waits in the outbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backlog {
    /// How many rows, counted up to 100,000.
    pub row_count: u32,
    /// The age of the oldest of them.
    pub oldest_age: Duration,
}

#[derive(QueryableByName)]
struct BacklogRow {
    #[diesel(sql_type = BigInt)]
    row_count: i64,
    #[diesel(sql_type = Double)]
    oldest_age_secs: f64,
}

/// How much waits in the outbox.
///
/// # Errors
/// When the database does.
pub async fn backlog(conn: &mut Connection) -> Result<Backlog, Error> {
    let query = sql_query(
        "SELECT count(*) AS row_count,
             coalesce(extract(epoch FROM clock_timestamp() - min(occurred_at)), 0)::float8 AS oldest_age_secs
         FROM (SELECT occurred_at FROM outbox LIMIT 100000) AS o",
    );
    let row: BacklogRow = Prepared(query).get_result(conn).await?;
    Ok(Backlog {
        row_count: u32::try_from(row.row_count).unwrap_or(u32::MAX),
        oldest_age: Duration::try_from_secs_f64(row.oldest_age_secs.max(0.0)).unwrap_or_default(),
    })
}
