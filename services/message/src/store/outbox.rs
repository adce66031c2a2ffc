use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Double, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, Seq};
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::prepared::Prepared;

/// A batch of updates that is committed and not yet known to be on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxBatch {
    /// Its name.
    pub batch_id: Uuid,
    /// The addresses of its updates, in the order of the batch.
    pub addresses: Vec<(ChatId, Seq)>,
}

/// Which batches the sweeper takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Those that have been there for 2 s and were not taken before.
    First,
    /// Those that were taken before and are due again.
    Again,
}

#[derive(QueryableByName)]
struct BatchRow {
    #[diesel(sql_type = SqlUuid)]
    batch_id: Uuid,
    #[diesel(sql_type = Array<SqlUuid>)]
    chat_ids: Vec<Uuid>,
    #[diesel(sql_type = Array<BigInt>)]
    seqs: Vec<i64>,
}

/// Takes at most `limit` batches that are due, longest due first, and makes them due again after a pause that doubles
/// with each time up to five minutes. They are returned in the order in which their transactions began.
///
/// # Errors
/// When the database does.
pub async fn claim_batches(conn: &mut Connection, sweep: Sweep, limit: u32) -> Result<Vec<OutboxBatch>, Error> {
    let sql = match sweep {
        Sweep::First => CLAIM_FIRST,
        Sweep::Again => CLAIM_AGAIN,
    };
    let query = sql_query(sql).bind::<BigInt, _>(i64::from(limit));
    let rows: Vec<BatchRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().map(OutboxBatch::from).collect())
}

impl From<BatchRow> for OutboxBatch {
    fn from(row: BatchRow) -> Self {
        let chats = row.chat_ids.into_iter().map(ChatId::from_uuid);
        Self { batch_id: row.batch_id, addresses: chats.zip(row.seqs.into_iter().map(Seq::from_i64)).collect() }
    }
}

/// Skips batches that are being deleted at this moment: neither waits for the other.
macro_rules! claim {
    ($part:literal) => {
        concat!(
            "WITH due AS (
                 SELECT batch_id FROM outbox_batches WHERE ",
            $part,
            " AND next_attempt_at <= statement_timestamp()
                 ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
             ), claimed AS (
                 UPDATE outbox_batches b SET attempts = b.attempts + 1,
                     next_attempt_at = clock_timestamp() + make_interval(secs => least(2 ^ least(b.attempts + 1, 9), 300))
                 FROM due WHERE b.batch_id = due.batch_id
                 RETURNING b.batch_id, b.chat_ids, b.seqs, b.begun_at
             )
             SELECT batch_id, chat_ids, seqs FROM claimed ORDER BY begun_at"
        )
    };
}

const CLAIM_FIRST: &str = claim!("attempts = 0");
const CLAIM_AGAIN: &str = claim!("attempts > 0");

/// Forgets batches that the stream has. The commit does not wait for the disk: when it is lost, they are published once
/// more.
///
/// # Errors
/// When the database does.
pub async fn forget_batches(conn: &mut Connection, batch_ids: &[Uuid]) -> Result<usize, Error> {
    let query = sql_query(
        "DELETE FROM outbox_batches USING (SELECT set_config('synchronous_commit', 'off', true)) AS hurried
         WHERE batch_id = ANY ($1)",
    )
    .bind::<Array<SqlUuid>, _>(batch_ids);
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
    #[diesel(sql_type = BigInt)]
    hidden_until_seq: i64,
}

/// An update as it is in the log now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPayload {
    /// An encoded `godwit.v1.Update`.
    pub payload: Bytes,
    /// Some members of the chat may not see what is before it.
    pub hidden_until_seq: Seq,
}

/// The updates as they are in the log now; those that have left it are absent.
///
/// # Errors
/// When the database does.
pub async fn stored_payloads(
    conn: &mut Connection,
    addresses: &[(ChatId, Seq)],
) -> Result<HashMap<(ChatId, Seq), StoredPayload>, Error> {
    let query = sql_query(
        "SELECT l.chat_id, l.seq, l.payload, coalesce(h.hidden_until_seq, 0) AS hidden_until_seq
         FROM unnest($1, $2) AS k (chat_id, seq)
         JOIN sync_log l ON l.chat_id = k.chat_id AND l.seq = k.seq
         LEFT JOIN chat_heads h ON h.chat_id = k.chat_id",
    )
    .bind::<Array<SqlUuid>, _>(addresses.iter().map(|(chat_id, _)| chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(addresses.iter().map(|(_, seq)| seq.as_i64()).collect::<Vec<_>>());
    let rows: Vec<PayloadRow> = Prepared(query).load(conn).await?;
    let stored = rows.into_iter().map(|row| {
        let hidden_until_seq = Seq::from_i64(row.hidden_until_seq);
        let stored = StoredPayload { payload: row.payload.into(), hidden_until_seq };
        ((ChatId::from_uuid(row.chat_id), Seq::from_i64(row.seq)), stored)
    });
    Ok(stored.collect())
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

/// What waits for the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backlog {
    /// How many updates, those of the first 10,000 batches counted.
    pub update_count: u32,
    /// The age of the oldest batch.
    pub oldest_age: Duration,
}

#[derive(QueryableByName)]
struct BacklogRow {
    #[diesel(sql_type = BigInt)]
    update_count: i64,
    #[diesel(sql_type = Double)]
    oldest_age_secs: f64,
}

/// What waits for the stream now.
///
/// # Errors
/// When the database does.
pub async fn backlog(conn: &mut Connection) -> Result<Backlog, Error> {
    let query = sql_query(
        "SELECT coalesce(sum(cardinality(seqs)), 0)::bigint AS update_count,
             coalesce(extract(epoch FROM clock_timestamp() - min(begun_at)), 0)::float8 AS oldest_age_secs
         FROM (SELECT seqs, begun_at FROM outbox_batches ORDER BY begun_at LIMIT 10000) AS b",
    );
    let row: BacklogRow = Prepared(query).get_result(conn).await?;
    Ok(Backlog {
        update_count: u32::try_from(row.update_count).unwrap_or(u32::MAX),
        oldest_age: Duration::try_from_secs_f64(row.oldest_age_secs.max(0.0)).unwrap_or_default(),
    })
}
