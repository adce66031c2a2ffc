use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension as _, QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::MessageId;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use crate::domain::{BuildOrder, Part};

/// How far a part has been built.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Build {
    /// The last one that was taken; empty at the start.
    #[diesel(sql_type = Text)]
    pub after_id: String,
    /// So many were taken.
    #[diesel(sql_type = BigInt)]
    pub taken_count: i64,
    /// All were taken.
    #[diesel(sql_type = Bool)]
    pub is_ended: bool,
}

/// The build of a part for an order, which begins at the first one when the build before was for another label. None
/// when a later order was for another label: it stands.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn build_for(
    connection: &mut Connection,
    part: Part,
    order: &BuildOrder,
    now: OffsetDateTime,
) -> Result<Option<Build>, Error> {
    let query = sql_query(
        "INSERT INTO builds AS b (part, label, ordered_at, begun_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (part) DO UPDATE SET label = excluded.label,
             ordered_at = greatest(b.ordered_at, excluded.ordered_at),
             after_id = CASE WHEN b.label = excluded.label THEN b.after_id ELSE '' END,
             taken_count = CASE WHEN b.label = excluded.label THEN b.taken_count ELSE 0 END,
             begun_at = CASE WHEN b.label = excluded.label THEN b.begun_at ELSE excluded.begun_at END,
             ended_at = CASE WHEN b.label = excluded.label THEN b.ended_at END
         WHERE b.label = excluded.label OR b.ordered_at <= excluded.ordered_at
         RETURNING after_id, taken_count, ended_at IS NOT NULL AS is_ended",
    )
    .bind::<Text, _>(part.as_str())
    .bind::<Text, _>(&order.label)
    .bind::<Timestamptz, _>(order.ordered_at)
    .bind::<Timestamptz, _>(now);
    Ok(query.get_result(connection).await.optional()?)
}

/// A page that was taken.
#[derive(Clone, Debug)]
pub struct TakenPage<'a> {
    /// Of this part.
    pub part: Part,
    /// The one it came after.
    pub after_id: &'a str,
    /// Its last one.
    pub last_id: &'a str,
    /// How many it had.
    pub count: usize,
    /// Now, when it was the last page.
    pub ended_at: Option<OffsetDateTime>,
}

/// Notes that a page was taken. Another replica that takes the same page at the same time does no harm: one of the two
/// notes it.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn note_page(connection: &mut Connection, label: &str, page: &TakenPage<'_>) -> Result<(), Error> {
    let query = sql_query(
        "UPDATE builds SET after_id = $4, taken_count = taken_count + $5, ended_at = $6
         WHERE part = $1 AND label = $2 AND after_id = $3 AND ended_at IS NULL",
    )
    .bind::<Text, _>(page.part.as_str())
    .bind::<Text, _>(label)
    .bind::<Text, _>(page.after_id)
    .bind::<Text, _>(page.last_id)
    .bind::<BigInt, _>(i64::try_from(page.count).unwrap_or(i64::MAX))
    .bind::<Nullable<Timestamptz>, _>(page.ended_at);
    query.execute(connection).await?;
    Ok(())
}

/// Removes the entries after one message, up to another or to the end, that are not among those that are there, and
/// that were sent before an instant: the stream may have brought newer ones since. Tells how many were removed.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn remove_others(
    connection: &mut Connection,
    after: Option<MessageId>,
    up_to: Option<MessageId>,
    there: &[MessageId],
    sent_before: OffsetDateTime,
) -> Result<usize, Error> {
    let query = sql_query(
        "DELETE FROM entries e
         WHERE ($1 IS NULL OR (e.chat_id, e.seq) > ($1, $2)) AND ($3 IS NULL OR (e.chat_id, e.seq) <= ($3, $4))
           AND NOT e.is_deleted AND e.sent_at < $5
           AND NOT EXISTS (SELECT FROM unnest($6, $7) AS k (chat_id, seq) WHERE k.chat_id = e.chat_id AND k.seq = e.seq)",
    )
    .bind::<Nullable<SqlUuid>, _>(after.map(|id| id.chat_id.as_uuid()))
    .bind::<Nullable<BigInt>, _>(after.map(|id| id.seq.as_i64()))
    .bind::<Nullable<SqlUuid>, _>(up_to.map(|id| id.chat_id.as_uuid()))
    .bind::<Nullable<BigInt>, _>(up_to.map(|id| id.seq.as_i64()))
    .bind::<Timestamptz, _>(sent_before)
    .bind::<Array<SqlUuid>, _>(there.iter().map(|id| id.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(there.iter().map(|id| id.seq.as_i64()).collect::<Vec<_>>());
    Ok(query.execute(connection).await?)
}

/// Empties the index of the release before, which held texts. Nobody reads it once this release is everywhere.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn forget_texts(connection: &mut Connection) -> Result<(), Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        has_rows: bool,
    }
    let row: Row = sql_query("SELECT EXISTS (SELECT FROM messages) AS has_rows").get_result(connection).await?;
    if row.has_rows {
        sql_query("TRUNCATE messages").execute(connection).await?;
    }
    Ok(())
}
