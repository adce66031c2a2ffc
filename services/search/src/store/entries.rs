use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::ChatId;
use godwit_pg::{Connection, Error, Prepared};
use time::OffsetDateTime;

use crate::domain::{MessageChange, MessageState};

/// Messages of deleted chats are left out. `domain::standing` decides alike which change stands. What a build takes
/// stands also against an entry of the same version, whose terms may be of an older format. A deletion keeps the
/// instant of its message, so that instants never go back within a chat.
///
/// An array of arrays would have to be a rectangle: the terms of all rows come as one, each row with where its own
/// begin and end.
const WRITE: &str = "\
INSERT INTO entries (chat_id, seq, epoch, version, is_deleted, sent_at, terms)
SELECT c.chat_id, c.seq, c.epoch, c.version, c.is_deleted, c.sent_at, ($7::int[])[c.first_term : c.last_term]
FROM (SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($8), unnest($9))
    AS c (chat_id, seq, epoch, version, is_deleted, sent_at, first_term, last_term)
WHERE c.chat_id <> ALL (ARRAY(SELECT d.chat_id FROM deleted_chats d WHERE d.chat_id = ANY ($1)))
ON CONFLICT (chat_id, seq) DO UPDATE
SET epoch = excluded.epoch, version = excluded.version, is_deleted = excluded.is_deleted, terms = excluded.terms,
    sent_at = CASE WHEN excluded.is_deleted AND entries.epoch = excluded.epoch
        THEN entries.sent_at ELSE excluded.sent_at END
WHERE entries.epoch <> excluded.epoch
   OR NOT entries.is_deleted AND (excluded.is_deleted OR excluded.version > entries.version)
   OR $10 AND NOT entries.is_deleted AND excluded.version = entries.version";

/// Whoever writes of chats holds it shared, who bars a chat holds it alone: so nothing of a barred chat is written after.
const BARRING_LOCK: i64 = 0x676f_6477_6974_7363;

/// Where changes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The stream.
    Stream,
    /// The message service, for a new build.
    Build,
}

/// Writes changes, one a message and in the order of their addresses, as far as they stand against what is there. Tells
/// how many were written.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn write(connection: &mut Connection, changes: &[MessageChange], source: Source) -> Result<usize, Error> {
    let rows = Rows::of(changes);
    connection
        .transaction(async |connection| {
            bar_no_chat(connection).await?;
            let query = sql_query(WRITE)
                .bind::<Array<SqlUuid>, _>(rows.chat_ids)
                .bind::<Array<BigInt>, _>(rows.seqs)
                .bind::<Array<Text>, _>(rows.epochs)
                .bind::<Array<BigInt>, _>(rows.versions)
                .bind::<Array<Bool>, _>(rows.are_deleted)
                .bind::<Array<Timestamptz>, _>(rows.sent_at)
                .bind::<Array<diesel::sql_types::Integer>, _>(rows.terms)
                .bind::<Array<diesel::sql_types::Integer>, _>(rows.first_terms)
                .bind::<Array<diesel::sql_types::Integer>, _>(rows.last_terms)
                .bind::<Bool, _>(source == Source::Build);
            let written = Prepared(query).execute(connection).await?;
            Ok(written)
        })
        .await
}

/// Changes as columns.
#[derive(Default)]
struct Rows<'a> {
    chat_ids: Vec<uuid::Uuid>,
    seqs: Vec<i64>,
    epochs: Vec<&'a str>,
    versions: Vec<i64>,
    are_deleted: Vec<bool>,
    sent_at: Vec<OffsetDateTime>,
    terms: Vec<i32>,
    /// Counted from 1, as PostgreSQL does.
    first_terms: Vec<i32>,
    last_terms: Vec<i32>,
}

impl<'a> Rows<'a> {
    fn of(changes: &'a [MessageChange]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            let (chat_id, seq) = change.address();
            rows.chat_ids.push(chat_id.as_uuid());
            rows.seqs.push(seq.as_i64());
            rows.versions.push(change.version.as_i64());
            let first = rows.terms.len();
            match &change.state {
                MessageState::There(message) => {
                    rows.epochs.push(&message.epoch);
                    rows.are_deleted.push(false);
                    rows.sent_at.push(message.sent_at);
                    rows.terms.extend(&message.terms);
                }
                MessageState::Deleted { epoch, told_at, .. } => {
                    rows.epochs.push(epoch);
                    rows.are_deleted.push(true);
                    rows.sent_at.push(*told_at);
                }
            }
            let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
            rows.first_terms.push(number(first + 1));
            rows.last_terms.push(number(rows.terms.len()));
        }
        rows
    }
}

/// Until the transaction ends no chat is barred.
///
/// # Errors
/// When the database refuses or does not answer.
pub(super) async fn bar_no_chat(connection: &mut Connection) -> Result<(), Error> {
    let lock = sql_query("SELECT pg_advisory_xact_lock_shared($1)").bind::<BigInt, _>(BARRING_LOCK);
    Prepared(lock).execute(connection).await?;
    Ok(())
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

/// Removes at most `limit` entries of a chat, and tells how many.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn remove_entries(connection: &mut Connection, chat_id: ChatId, limit: i64) -> Result<i64, Error> {
    let removed = sql_query(
        "DELETE FROM entries WHERE chat_id = $1
         AND seq IN (SELECT seq FROM entries WHERE chat_id = $1 ORDER BY seq LIMIT $2)",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<BigInt, _>(limit)
    .execute(connection)
    .await?;
    Ok(i64::try_from(removed).unwrap_or(i64::MAX))
}
