use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, Entropy, Seq};
use godwit_pg::{self as pg, Connection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::{
    BatchPlan, COMMIT_DEADLINE, Change, ContentHash, EarlierResult, Entry, Epoch, Head, MembershipVersion, Outcome,
    Placed, plan_batch,
};

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
    /// The encoded updates, one for each entry that was appended, in the order of the batch.
    pub payloads: Vec<Bytes>,
}

/// Makes the stored bytes of an update once it has its place.
pub type Encode = dyn Fn(&Entry, &Placed) -> Bytes + Send + Sync;

/// What a batch is written with.
pub struct Append<'a> {
    /// The batch.
    pub entries: &'a [Entry],
    /// Names the logs that begin.
    pub entropy: &'a dyn Entropy,
    /// Makes the stored bytes.
    pub encode: &'a Encode,
}

/// Numbers and writes a batch in one transaction. Three statements, however large the batch is: lock the heads, find
/// what was committed before, write; a fourth before them when the batch can begin a log.
///
/// # Errors
/// See [`AppendError`].
pub async fn append(conn: &mut Connection, batch: Append<'_>) -> Result<Written, AppendError> {
    let Append { entries, entropy, encode } = batch;
    conn.transaction(async |conn| {
        begin_logs(conn, entries, entropy).await?;
        let heads = lock_heads(conn, entries).await?;
        let begun_at = Instant::now();
        // A statement of its own: it must see what was committed while the locks were waited for.
        let (now, earlier) = find_earlier(conn, entries).await?;
        let BatchPlan { outcomes, heads } = plan_batch(entries, heads, &earlier, now);
        let payloads = encode_appended(entries, &outcomes, encode);
        if !payloads.is_empty() {
            Rows::of(entries, &outcomes, &payloads).write(conn, &heads).await?;
        }
        if begun_at.elapsed() > COMMIT_DEADLINE {
            return Err(AppendError::TooSlow);
        }
        Ok(Written { outcomes, payloads })
    })
    .await
}

/// In id order, as the locks: two batches never wait for each other.
async fn begin_logs(conn: &mut Connection, entries: &[Entry], entropy: &dyn Entropy) -> Result<(), AppendError> {
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
    Prepared(query).execute(conn).await?;
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
}

impl From<HeadRow> for Head {
    fn from(row: HeadRow) -> Self {
        Self {
            chat_id: ChatId::from_uuid(row.chat_id),
            last_seq: Seq::from_i64(row.last_seq),
            epoch: Epoch::from_store(row.epoch),
            membership_version: MembershipVersion::from_i64(row.membership_version),
            changed_at: row.changed_at,
        }
    }
}

async fn lock_heads(conn: &mut Connection, entries: &[Entry]) -> Result<Vec<Head>, AppendError> {
    let chat_ids: BTreeSet<Uuid> = entries.iter().map(|entry| entry.chat_id.as_uuid()).collect();
    let query = sql_query(
        "SELECT chat_id, last_seq, epoch, membership_version, changed_at
         FROM chat_heads WHERE chat_id = ANY ($1) ORDER BY chat_id FOR UPDATE",
    )
    .bind::<Array<SqlUuid>, _>(chat_ids.into_iter().collect::<Vec<_>>());
    let rows: Vec<HeadRow> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().map(Head::from).collect())
}

#[derive(QueryableByName)]
struct EarlierRow {
    #[diesel(sql_type = Timestamptz)]
    now: OffsetDateTime,
    #[diesel(sql_type = Nullable<Integer>)]
    place: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = Nullable<Binary>)]
    content_hash: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    sent_at: Option<OffsetDateTime>,
}

#[derive(Default)]
struct Keys<'a> {
    message_places: Vec<i32>,
    message_chats: Vec<Uuid>,
    senders: Vec<Uuid>,
    client_message_ids: Vec<&'a str>,
    event_places: Vec<i32>,
    event_chats: Vec<Uuid>,
    events: Vec<Uuid>,
}

impl<'a> Keys<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut keys = Self::default();
        for (place, entry) in (0..).zip(entries) {
            let chat_id = entry.chat_id.as_uuid();
            match &entry.change {
                Change::Message(message) => {
                    keys.message_places.push(place);
                    keys.message_chats.push(chat_id);
                    keys.senders.push(message.sender_id.as_uuid());
                    keys.client_message_ids.push(message.client_message_id.as_str());
                }
                Change::Event(event) => {
                    keys.event_places.push(place);
                    keys.event_chats.push(chat_id);
                    keys.events.push(event.event_id.as_uuid());
                }
            }
        }
        keys
    }
}

/// The log's clock, and what is known of entries by their place in the batch.
async fn find_earlier(
    conn: &mut Connection,
    entries: &[Entry],
) -> Result<(OffsetDateTime, HashMap<usize, EarlierResult>), AppendError> {
    let keys = Keys::of(entries);
    let query = sql_query(
        "SELECT clock.now, earlier.place, earlier.seq, earlier.content_hash, earlier.sent_at
         FROM (SELECT clock_timestamp() AS now) AS clock LEFT JOIN (
             SELECT k.place, m.seq, m.content_hash, m.sent_at
             FROM unnest($1, $2, $3, $4) AS k (place, chat_id, sender_id, client_message_id)
             JOIN messages m ON m.chat_id = k.chat_id AND m.sender_id = k.sender_id
                 AND m.client_message_id = k.client_message_id COLLATE \"C\"
             UNION ALL
             SELECT k.place, e.seq, NULL, NULL
             FROM unnest($5, $6, $7) AS k (place, chat_id, event_id)
             JOIN applied_events e ON e.chat_id = k.chat_id AND e.event_id = k.event_id
         ) AS earlier ON true",
    )
    .bind::<Array<Integer>, _>(keys.message_places)
    .bind::<Array<SqlUuid>, _>(keys.message_chats)
    .bind::<Array<SqlUuid>, _>(keys.senders)
    .bind::<Array<Text>, _>(keys.client_message_ids)
    .bind::<Array<Integer>, _>(keys.event_places)
    .bind::<Array<SqlUuid>, _>(keys.event_chats)
    .bind::<Array<SqlUuid>, _>(keys.events);
    let rows: Vec<EarlierRow> = Prepared(query).load(conn).await?;
    let now = rows.as_slice().first().map(|row| row.now).ok_or(diesel::result::Error::NotFound)?;
    let earlier = rows.into_iter().filter_map(|row| {
        let place = usize::try_from(row.place?).ok()?;
        let content_hash = row.content_hash.and_then(|bytes| ContentHash::from_store(&bytes));
        Some((place, EarlierResult { seq: Seq::from_i64(row.seq?), occurred_at: row.sent_at, content_hash }))
    });
    Ok((now, earlier.collect()))
}

fn encode_appended(entries: &[Entry], outcomes: &[Outcome], encode: &Encode) -> Vec<Bytes> {
    appended(entries, outcomes).map(|(entry, placed)| encode(entry, placed)).collect()
}

fn appended<'a, 'b>(entries: &'a [Entry], outcomes: &'b [Outcome]) -> impl Iterator<Item = (&'a Entry, &'b Placed)> {
    entries.iter().zip(outcomes).filter_map(|(entry, outcome)| match outcome {
        Outcome::Appended(placed) => Some((entry, placed)),
        _ => None,
    })
}

/// The rows of a batch, column by column as `unnest` takes them.
#[derive(Default)]
struct Rows<'a> {
    messages: MessageColumns<'a>,
    outbox: OutboxColumns<'a>,
    events: EventColumns,
}

#[derive(Default)]
struct MessageColumns<'a> {
    chat_ids: Vec<Uuid>,
    seqs: Vec<i64>,
    senders: Vec<Uuid>,
    client_message_ids: Vec<&'a str>,
    content_hashes: Vec<&'a [u8]>,
    texts: Vec<&'a str>,
    sent_ats: Vec<OffsetDateTime>,
}

#[derive(Default)]
struct OutboxColumns<'a> {
    chat_ids: Vec<Uuid>,
    seqs: Vec<i64>,
    payloads: Vec<&'a [u8]>,
    occurred_ats: Vec<OffsetDateTime>,
    headers: Vec<serde_json::Value>,
}

#[derive(Default)]
struct EventColumns {
    chat_ids: Vec<Uuid>,
    event_ids: Vec<Uuid>,
    seqs: Vec<i64>,
}

#[derive(Default)]
struct HeadColumns {
    chat_ids: Vec<Uuid>,
    last_seqs: Vec<i64>,
    versions: Vec<i64>,
    changed_ats: Vec<OffsetDateTime>,
}

impl<'a> Rows<'a> {
    fn of(entries: &'a [Entry], outcomes: &[Outcome], payloads: &'a [Bytes]) -> Self {
        let mut rows = Self::default();
        for ((entry, placed), payload) in appended(entries, outcomes).zip(payloads) {
            let (chat_id, seq) = (entry.chat_id.as_uuid(), placed.seq.as_i64());
            rows.outbox.chat_ids.push(chat_id);
            rows.outbox.seqs.push(seq);
            rows.outbox.payloads.push(payload);
            rows.outbox.occurred_ats.push(placed.occurred_at);
            rows.outbox
                .headers
                .push(entry.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect());
            match &entry.change {
                Change::Message(message) => {
                    rows.messages.chat_ids.push(chat_id);
                    rows.messages.seqs.push(seq);
                    rows.messages.senders.push(message.sender_id.as_uuid());
                    rows.messages.client_message_ids.push(message.client_message_id.as_str());
                    rows.messages.content_hashes.push(message.content_hash.as_bytes());
                    rows.messages.texts.push(message.text.as_str());
                    rows.messages.sent_ats.push(placed.occurred_at);
                }
                Change::Event(event) => {
                    rows.events.chat_ids.push(chat_id);
                    rows.events.event_ids.push(event.event_id.as_uuid());
                    rows.events.seqs.push(seq);
                }
            }
        }
        rows
    }

    async fn write(self, conn: &mut Connection, heads: &[Head]) -> Result<(), AppendError> {
        let Self { messages, outbox, events } = self;
        let heads = HeadColumns::of(heads);
        let query = sql_query(WRITE)
            .bind::<Array<SqlUuid>, _>(messages.chat_ids)
            .bind::<Array<BigInt>, _>(messages.seqs)
            .bind::<Array<SqlUuid>, _>(messages.senders)
            .bind::<Array<Text>, _>(messages.client_message_ids)
            .bind::<Array<Binary>, _>(messages.content_hashes)
            .bind::<Array<Text>, _>(messages.texts)
            .bind::<Array<Timestamptz>, _>(messages.sent_ats)
            .bind::<Array<SqlUuid>, _>(outbox.chat_ids)
            .bind::<Array<BigInt>, _>(outbox.seqs)
            .bind::<Array<Binary>, _>(outbox.payloads)
            .bind::<Array<Timestamptz>, _>(outbox.occurred_ats)
            .bind::<Array<Jsonb>, _>(outbox.headers)
            .bind::<Array<SqlUuid>, _>(events.chat_ids)
            .bind::<Array<SqlUuid>, _>(events.event_ids)
            .bind::<Array<BigInt>, _>(events.seqs)
            .bind::<Array<SqlUuid>, _>(heads.chat_ids)
            .bind::<Array<BigInt>, _>(heads.last_seqs)
            .bind::<Array<BigInt>, _>(heads.versions)
            .bind::<Array<Timestamptz>, _>(heads.changed_ats);
        Prepared(query).execute(conn).await?;
        Ok(())
    }
}

impl HeadColumns {
    fn of(heads: &[Head]) -> Self {
        let mut columns = Self::default();
        for head in heads {
            columns.chat_ids.push(head.chat_id.as_uuid());
            columns.last_seqs.push(head.last_seq.as_i64());
            columns.versions.push(head.membership_version.as_i64());
            columns.changed_ats.push(head.changed_at);
        }
        columns
    }
}

/// A row is left to the sweeper when it is still there 2 s after it was written.
const WRITE: &str = "
    WITH new_messages AS (
        INSERT INTO messages (chat_id, seq, sender_id, client_message_id, content_hash, text, sent_at)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
    ), new_outbox AS (
        INSERT INTO outbox (chat_id, seq, payload, occurred_at, headers, next_attempt_at)
        SELECT r.*, clock_timestamp() + interval '2 seconds' FROM unnest($8, $9, $10, $11, $12) AS r
    ), new_events AS (
        INSERT INTO applied_events (chat_id, event_id, seq) SELECT * FROM unnest($13, $14, $15)
    )
    UPDATE chat_heads h
    SET last_seq = n.last_seq, membership_version = n.membership_version, changed_at = n.changed_at
    FROM unnest($16, $17, $18, $19) AS n (chat_id, last_seq, membership_version, changed_at)
    WHERE h.chat_id = n.chat_id";
