//! The appender's transaction.

mod columns;
mod known;
mod remembered;
mod write;

pub(super) mod erase;

pub use remembered::Remembered;

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use futures_util::future::{try_join, try_join3};
use godwit_kernel::{ChatId, Entropy, Seq};
use godwit_pg::{self as pg, Connection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::{
    BatchPlan, Body, COMMIT_DEADLINE, Change, EarlierResult, Entry, Epoch, Head, Known, MembershipVersion, Outcome,
    Planned, plan_batch,
};
use crate::wire::{Scrub, encode_update, scrub_update};

/// Why a batch was not written. Nothing of it is committed, except when the connection was lost during the commit:
/// then nobody knows, and asking again is right.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] pg::Error),
    /// The commit would have come so late after the log's clock was read that a sync could have missed it.
    #[error("the batch took longer than {COMMIT_DEADLINE:?}")]
    TooSlow,
}

impl From<diesel::result::Error> for AppendError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What a batch came to; it is committed.
#[derive(Debug)]
pub struct Written {
    /// One for each entry, in the order of the batch.
    pub outcomes: Vec<Outcome>,
    /// The updates in the order in which they were numbered.
    pub updates: Vec<WrittenUpdate>,
    /// The batch in the outbox; it is not there when there are no updates.
    pub batch_id: Uuid,
}

/// An update that is committed.
#[derive(Debug)]
pub struct WrittenUpdate {
    /// The entry that caused it, by its place in the batch.
    pub place: usize,
    /// In whose log.
    pub chat_id: ChatId,
    /// Where in it.
    pub seq: Seq,
    /// An encoded `godwit.v1.Update`.
    pub payload: Bytes,
    /// It says something that not all members may see.
    pub is_for_some: bool,
}

/// What a batch is written with.
pub struct Append<'a> {
    /// The batch.
    pub entries: &'a [Entry],
    /// Names the batch and the logs that begin.
    pub entropy: &'a dyn Entropy,
    /// What this appender knows from its batches before.
    pub remembered: &'a mut Remembered,
}

/// Numbers and writes a batch in one transaction. For messages of logs that are remembered it is one statement, which is
/// refused when a log stands elsewhere by now, or a message was sent before. Then, and for logs that are not remembered, it is
/// three, however large the batch is: lock the heads, find what was committed before, write; in two round trips, for BEGIN
/// and COMMIT travel with them. Other kinds of entries need other statements, each at most once a batch; see the README.
///
/// The transaction is not one that diesel knows of: a connection whose call was cancelled must be closed.
///
/// # Errors
/// See [`AppendError`]. The connection can be used again unless the database was not reachable.
pub async fn append(conn: &mut Connection, batch: Append<'_>) -> Result<Written, AppendError> {
    let written = run(conn, batch).await;
    if written.is_err() {
        // After an error the server has given the transaction up; this ends it. One that is lost is ended by the server.
        conn.batch_execute("ROLLBACK").await.ok();
    }
    written
}

async fn run(conn: &mut Connection, batch: Append<'_>) -> Result<Written, AppendError> {
    let Append { entries, entropy, remembered } = batch;
    if let Some(known) = remembered.known(entries) {
        match run_remembered(conn, entries, entropy, known).await {
            Ok(Some((written, heads))) => {
                count("remembered");
                remembered.learn(heads);
                return Ok(written);
            }
            Ok(None) => {}
            Err(AppendError::Database(error)) if !error.is_unavailable() => {
                count("refused");
                tracing::debug!(error = &error as &dyn std::error::Error, "a batch was not as remembered");
                remembered.forget(entries);
            }
            Err(error) => return Err(error),
        }
    }
    let (written, heads) = run_locked(conn, entries, entropy, remembered).await?;
    count("locked");
    remembered.learn(heads);
    Ok(written)
}

fn count(way: &'static str) {
    metrics::counter!("godwit_message_batches_total", "way" => way).increment(1);
}

/// Writes a batch by one statement, without having asked where its logs stand. Everything that a plan depends on is a change
/// of the log's head, or else a row that must not be there twice: so the statement is refused when the plan is not right.
/// `None` when it takes more than the one statement.
async fn run_remembered(
    conn: &mut Connection,
    entries: &[Entry],
    entropy: &dyn Entropy,
    known: Known,
) -> Result<Option<(Written, Vec<Head>)>, AppendError> {
    let before = columns::HeadsBefore::of(&known);
    let begun_at = Instant::now();
    let known = known::load(conn, entries, known).await?;
    let BatchPlan { outcomes, updates, heads, changes } = plan_batch(entries, known);
    if updates.is_empty() || !changes.is_empty() {
        return Ok(None);
    }
    let written = encode(entries, &updates, &heads, Scrub { erased: &changes.erased });
    if begun_at.elapsed() > COMMIT_DEADLINE {
        return Err(AppendError::TooSlow);
    }
    let batch_id = Uuid::from_bytes(entropy.bytes());
    let batch = columns::Batch { batch_id, entries, updates: &updates, written: &written, changes: &changes };
    columns::write_as_remembered(conn, batch, &heads, &before).await?;
    Ok(Some((Written { outcomes, updates: written, batch_id }, heads)))
}

async fn run_locked(
    conn: &mut Connection,
    entries: &[Entry],
    entropy: &dyn Entropy,
    remembered: &mut Remembered,
) -> Result<(Written, Vec<Head>), AppendError> {
    let (heads, (now, earlier)) = begin(conn, entries, entropy).await?;
    remembered.set_clock(now);
    let begun_at = Instant::now();
    let known = known::load(conn, entries, Known { earlier, ..Known::of(heads, now) }).await?;
    let BatchPlan { outcomes, updates, heads, changes } = plan_batch(entries, known);
    let written = encode(entries, &updates, &heads, Scrub { erased: &changes.erased });
    if !changes.is_empty() {
        write::changes(conn, &changes).await?;
    }
    if begun_at.elapsed() > COMMIT_DEADLINE {
        return Err(AppendError::TooSlow);
    }
    let batch_id = Uuid::from_bytes(entropy.bytes());
    if updates.is_empty() {
        conn.batch_execute("COMMIT").await?;
    } else {
        let batch = columns::Batch { batch_id, entries, updates: &updates, written: &written, changes: &changes };
        columns::write_and_commit(conn, batch, &heads).await?;
    }
    Ok((Written { outcomes, updates: written, batch_id }, heads))
}

/// Whether the server at the other end of a connection answers.
pub async fn is_alive(conn: &mut Connection) -> bool {
    conn.batch_execute("SELECT 1").await.is_ok()
}

type Begun = (Vec<Head>, (OffsetDateTime, HashMap<usize, EarlierResult>));

/// Begins the transaction, locks the heads, then finds what was committed before: it must be seen what was committed while
/// the locks were waited for. The statements are sent together. The connection sends them in the order in which they are
/// polled first, and `try_join` polls in the order written; one that is not prepared yet keeps those behind it waiting.
async fn begin(conn: &Connection, entries: &[Entry], entropy: &dyn Entropy) -> Result<Begun, AppendError> {
    let mut beginning = conn;
    let begin = async { Ok(beginning.batch_execute("BEGIN").await?) };
    if entries.iter().any(|entry| matches!(entry.change, Change::Event(_))) {
        begin.await?;
        begin_logs(conn, entries, entropy).await?;
        return try_join(lock_heads(conn, entries), known::find_earlier(conn, entries)).await;
    }
    let (_, heads, earlier) = try_join3(begin, lock_heads(conn, entries), known::find_earlier(conn, entries)).await?;
    Ok((heads, earlier))
}

/// The stored bytes of updates. What a later entry of the batch deletes is not in them.
fn encode(entries: &[Entry], updates: &[Planned], heads: &[Head], scrub: Scrub<'_>) -> Vec<WrittenUpdate> {
    let mut written = Vec::with_capacity(updates.len());
    for update in updates {
        let Some(entry) = entries.get(update.place) else { continue };
        let mut payload = encode_update(entry, update);
        if !scrub.erased.is_empty() {
            payload = scrub_update(&payload, scrub).unwrap_or(payload);
        }
        let Planned { place, chat_id, ref placed, .. } = *update;
        let is_for_some = told_again(entry, update).is_some_and(|target| is_hidden_from_some(heads, chat_id, target));
        written.push(WrittenUpdate { place, chat_id, seq: placed.seq, payload, is_for_some });
    }
    written
}

/// The earlier message of which an update says something.
fn told_again(entry: &Entry, update: &Planned) -> Option<Seq> {
    match (&update.body, &entry.change) {
        (Body::Edited(message), _) => Some(message.seq),
        (Body::AsAsked, Change::Preview(preview)) => Some(preview.seq),
        _ => None,
    }
}

fn is_hidden_from_some(heads: &[Head], chat_id: ChatId, seq: Seq) -> bool {
    heads.iter().any(|head| head.chat_id == chat_id && seq < head.hidden_until_seq)
}

/// In id order, as the locks: two batches never wait for each other.
async fn begin_logs(mut conn: &Connection, entries: &[Entry], entropy: &dyn Entropy) -> Result<(), AppendError> {
    let chat_ids: BTreeSet<Uuid> = entries
        .iter()
        .filter(|entry| matches!(entry.change, Change::Event(_)))
        .map(|entry| entry.chat_id.as_uuid())
        .collect();
    if chat_ids.is_empty() {
        return Ok(());
    }
    let epochs: Vec<Epoch> = chat_ids.iter().map(|_| Epoch::generate(entropy)).collect();
    let epochs: Vec<&str> = epochs.iter().map(Epoch::as_str).collect();
    let query = sql_query(
        "INSERT INTO chat_heads (chat_id, last_seq, epoch, membership_version, changed_at)
         SELECT chat_id, 0, epoch, 0, to_timestamp(0)
         FROM unnest($1, $2) AS begun (chat_id, epoch) ORDER BY chat_id
         ON CONFLICT (chat_id) DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(chat_ids.into_iter().collect::<Vec<_>>())
    .bind::<Array<Text>, _>(epochs);
    Prepared(query).execute(&mut conn).await?;
    Ok(())
}

#[derive(QueryableByName)]
struct HeadRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = Text)]
    epoch: String,
    #[diesel(sql_type = BigInt)]
    membership_version: i64,
    #[diesel(sql_type = Timestamptz)]
    changed_at: OffsetDateTime,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    active_at: Option<OffsetDateTime>,
    #[diesel(sql_type = BigInt)]
    hidden_until_seq: i64,
}

impl From<HeadRow> for Head {
    fn from(row: HeadRow) -> Self {
        Self {
            chat_id: ChatId::from_uuid(row.chat_id),
            last_seq: Seq::from_i64(row.last_seq),
            epoch: Epoch::from_store(row.epoch),
            membership_version: MembershipVersion::from_i64(row.membership_version),
            changed_at: row.changed_at,
            active_at: row.active_at,
            hidden_until_seq: Seq::from_i64(row.hidden_until_seq),
        }
    }
}

/// The heads of the chats, and of the actors' own logs.
async fn lock_heads(mut conn: &Connection, entries: &[Entry]) -> Result<Vec<Head>, AppendError> {
    let chat_ids: BTreeSet<Uuid> = entries
        .iter()
        .flat_map(|entry| [Some(entry.chat_id), entry.own_log()])
        .flatten()
        .map(|chat_id| chat_id.as_uuid())
        .collect();
    let query = sql_query(
        "SELECT chat_id, last_seq, epoch, membership_version, changed_at, active_at, hidden_until_seq
         FROM chat_heads WHERE chat_id = ANY ($1) ORDER BY chat_id FOR UPDATE",
    )
    .bind::<Array<SqlUuid>, _>(chat_ids.into_iter().collect::<Vec<_>>());
    let rows: Vec<HeadRow> = Prepared(query).load(&mut conn).await?;
    Ok(rows.into_iter().map(Head::from).collect())
}
