//! The statement that every batch has: new messages, updates, events, heads and what the outbox is told, column by column as `unnest` takes them.

use std::collections::HashMap;

use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use futures_util::future::try_join;
use godwit_kernel::{ChatId, MessageId, Seq};
use godwit_pg::Connection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{AppendError, WrittenUpdate};
use crate::domain::{Body, Change, Changes, Entry, Head, Known, Planned};
use crate::store::prepared::Prepared;
use crate::wire::encode_extras;

/// A batch that is planned.
pub(super) struct Batch<'a> {
    /// Names it in the outbox.
    pub batch_id: Uuid,
    pub entries: &'a [Entry],
    pub updates: &'a [Planned],
    /// One for each update.
    pub written: &'a [WrittenUpdate],
    pub changes: &'a Changes,
}

#[derive(Default)]
struct Rows<'a> {
    messages: MessageColumns<'a>,
    log: LogColumns<'a>,
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
    extras: Vec<Option<Vec<u8>>>,
    replies: Vec<Option<i64>>,
}

#[derive(Default)]
struct LogColumns<'a> {
    chat_ids: Vec<Uuid>,
    seqs: Vec<i64>,
    payloads: Vec<&'a [u8]>,
    occurred_ats: Vec<OffsetDateTime>,
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
    active_ats: Vec<Option<OffsetDateTime>>,
}

/// Where the logs of a batch stood, and what the log's clock said, when it was planned.
pub(super) struct HeadsBefore {
    now: OffsetDateTime,
    last_seqs: HashMap<ChatId, Seq>,
}

impl HeadsBefore {
    pub fn of(known: &Known) -> Self {
        let last_seqs = known.heads.iter().map(|head| (head.chat_id, head.last_seq)).collect();
        Self { now: known.now, last_seqs }
    }
}

/// What both statements are given alike.
macro_rules! with_rows {
    ($text:expr, $rows:expr, $batch_id:expr, $heads:expr) => {
        sql_query($text)
            .bind::<Array<SqlUuid>, _>($rows.messages.chat_ids)
            .bind::<Array<BigInt>, _>($rows.messages.seqs)
            .bind::<Array<SqlUuid>, _>($rows.messages.senders)
            .bind::<Array<Text>, _>($rows.messages.client_message_ids)
            .bind::<Array<Binary>, _>($rows.messages.content_hashes)
            .bind::<Array<Text>, _>($rows.messages.texts)
            .bind::<Array<Timestamptz>, _>($rows.messages.sent_ats)
            .bind::<Array<Nullable<Binary>>, _>($rows.messages.extras)
            .bind::<Array<Nullable<BigInt>>, _>($rows.messages.replies)
            .bind::<Array<SqlUuid>, _>($rows.log.chat_ids)
            .bind::<Array<BigInt>, _>($rows.log.seqs)
            .bind::<Array<Binary>, _>($rows.log.payloads)
            .bind::<Array<Timestamptz>, _>($rows.log.occurred_ats)
            .bind::<SqlUuid, _>($batch_id)
            .bind::<Array<SqlUuid>, _>($heads.chat_ids)
            .bind::<Array<BigInt>, _>($heads.last_seqs)
            .bind::<Array<BigInt>, _>($heads.versions)
            .bind::<Array<Timestamptz>, _>($heads.changed_ats)
            .bind::<Array<Nullable<Timestamptz>>, _>($heads.active_ats)
    };
}

/// Writes the rows of a batch, moves its heads and commits. The commit is sent behind the write without waiting for it, as
/// [`super::begin`] sends its statements; when the write fails, it ends the transaction without effect.
pub(super) async fn write_and_commit(
    mut conn: &Connection,
    batch: Batch<'_>,
    heads: &[Head],
) -> Result<(), AppendError> {
    let rows = Rows::of(&batch);
    let heads = HeadColumns::of(heads);
    let query = with_rows!(WRITE, rows, batch.batch_id, heads)
        .bind::<Array<SqlUuid>, _>(rows.events.chat_ids)
        .bind::<Array<SqlUuid>, _>(rows.events.event_ids)
        .bind::<Array<BigInt>, _>(rows.events.seqs);
    let mut committing = conn;
    let write = Prepared(query).execute(&mut conn);
    let commit = Prepared(sql_query("COMMIT")).execute(&mut committing);
    try_join(write, commit).await?;
    Ok(())
}

/// Writes the rows of a batch of messages and moves its heads, all by itself or not at all: it is refused as a transaction that
/// lost against another one when a head is not as it was before, or the log's clock says something else.
pub(super) async fn write_as_remembered(
    conn: &mut Connection,
    batch: Batch<'_>,
    heads: &[Head],
    before: &HeadsBefore,
) -> Result<(), AppendError> {
    let rows = Rows::of(&batch);
    // In id order, as the locks of other batches.
    let mut heads: Vec<&Head> = heads.iter().collect();
    heads.sort_unstable_by_key(|head| head.chat_id);
    let last_seq = |head: &Head| before.last_seqs.get(&head.chat_id).copied().unwrap_or_default();
    let last_seqs: Vec<i64> = heads.iter().map(|head| last_seq(head).as_i64()).collect();
    let epochs: Vec<&str> = heads.iter().map(|head| head.epoch.as_str()).collect();
    let heads = HeadColumns::of(heads.iter().copied());
    let query = with_rows!(WRITE_AS_REMEMBERED, rows, batch.batch_id, heads)
        .bind::<Array<BigInt>, _>(last_seqs)
        .bind::<Array<Text>, _>(epochs)
        .bind::<Timestamptz, _>(before.now);
    Prepared(query).execute(conn).await?;
    Ok(())
}

impl<'a> Rows<'a> {
    fn of(batch: &Batch<'a>) -> Self {
        let mut rows = Self::default();
        for (update, written) in batch.updates.iter().zip(batch.written) {
            let Some(entry) = batch.entries.get(update.place) else { continue };
            let (chat_id, seq) = (update.chat_id.as_uuid(), update.placed.seq.as_i64());
            rows.log.chat_ids.push(chat_id);
            rows.log.seqs.push(seq);
            rows.log.payloads.push(&written.payload);
            rows.log.occurred_ats.push(update.placed.occurred_at);
            if !matches!(update.body, Body::AsAsked | Body::WithReceipts(_)) {
                continue;
            }
            match &entry.change {
                Change::Message(_) => rows.messages.push(entry, update, batch.changes),
                Change::Event(event) => {
                    rows.events.chat_ids.push(chat_id);
                    rows.events.event_ids.push(event.event_id.as_uuid());
                    rows.events.seqs.push(seq);
                }
                Change::Action(_) | Change::Preview(_) => {}
            }
        }
        rows
    }
}

impl<'a> MessageColumns<'a> {
    fn push(&mut self, entry: &'a Entry, update: &Planned, changes: &Changes) {
        let Change::Message(message) = &entry.change else { return };
        self.chat_ids.push(entry.chat_id.as_uuid());
        self.seqs.push(update.placed.seq.as_i64());
        self.senders.push(message.sender_id.as_uuid());
        self.client_message_ids.push(message.client_message_id.as_str());
        self.content_hashes.push(message.content_hash.as_bytes());
        self.texts.push(message.text.as_str());
        self.sent_ats.push(update.placed.occurred_at);
        let reply = message.reply_to_seq();
        // What it answers may be deleted by a later entry of this batch.
        let is_orphan = reply.is_some_and(|seq| changes.erased.contains(&MessageId { chat_id: entry.chat_id, seq }));
        self.replies.push(reply.filter(|_| !is_orphan).map(Seq::as_i64));
        self.extras.push(message.extras.as_ref().map(|extras| {
            if !is_orphan {
                return encode_extras(extras);
            }
            let mut extras = extras.as_ref().clone();
            extras.forget_snippet();
            encode_extras(&extras)
        }));
    }
}

impl HeadColumns {
    fn of<'a>(heads: impl IntoIterator<Item = &'a Head>) -> Self {
        let mut columns = Self::default();
        for head in heads {
            columns.chat_ids.push(head.chat_id.as_uuid());
            columns.last_seqs.push(head.last_seq.as_i64());
            columns.versions.push(head.membership_version.as_i64());
            columns.changed_ats.push(head.changed_at);
            columns.active_ats.push(head.active_at);
        }
        columns
    }
}

/// The rows of messages and of the log. Each array is unnested in the list of columns: `FROM unnest($1, …)` would first fill a
/// store for each of them, of at least 16 KiB that the backend takes from the system and gives back for every batch.
macro_rules! new_rows {
    () => {
        "WITH new_messages AS (
             INSERT INTO messages (chat_id, seq, sender_id, client_message_id, content_hash, text, sent_at, extras, reply_to_seq)
             SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9)
         ), new_updates AS (
             INSERT INTO sync_log (chat_id, seq, payload, occurred_at)
             SELECT unnest($10), unnest($11), unnest($12), unnest($13)
         )"
    };
}

/// A batch is left to the sweeper when it is still in the outbox 2 s after it was written.
const WRITE: &str = concat!(
    new_rows!(),
    ", new_batch AS (
        INSERT INTO outbox_batches (batch_id, chat_ids, seqs, next_attempt_at)
        VALUES ($14, $10, $11, clock_timestamp() + interval '2 seconds')
    ), new_events AS (
        INSERT INTO applied_events (chat_id, event_id, seq) SELECT unnest($20), unnest($21), unnest($22)
    )
    UPDATE chat_heads h
    SET last_seq = n.last_seq, membership_version = n.membership_version, changed_at = n.changed_at, active_at = n.active_at
    FROM (SELECT unnest($15), unnest($16), unnest($17), unnest($18), unnest($19))
        AS n (chat_id, last_seq, membership_version, changed_at, active_at)
    WHERE h.chat_id = n.chat_id"
);

/// The heads are moved first, and only as long as they stand where they are thought to. No update occurred before the batch
/// began, by whichever of the two clocks.
const WRITE_AS_REMEMBERED: &str = concat!(
    new_rows!(),
    ", new_batch AS (
        INSERT INTO outbox_batches (batch_id, chat_ids, seqs, begun_at, next_attempt_at)
        VALUES ($14, $10, $11, least(now(), $22), clock_timestamp() + interval '2 seconds')
    ), moved AS (
        UPDATE chat_heads h SET last_seq = n.last_seq, changed_at = n.changed_at, active_at = n.active_at
        FROM (SELECT unnest($15), unnest($16), unnest($17), unnest($18), unnest($19), unnest($20), unnest($21))
            AS n (chat_id, last_seq, membership_version, changed_at, active_at, last_seq_before, epoch)
        WHERE h.chat_id = n.chat_id AND h.last_seq = n.last_seq_before AND h.epoch = n.epoch
            AND h.membership_version = n.membership_version
        RETURNING h.chat_id
    )
    SELECT refuse_unless(count(*) = cardinality($15) AND abs(extract(epoch FROM clock_timestamp() - $22)) <= 1) FROM moved"
);
