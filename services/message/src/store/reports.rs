use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, EventId, MessageId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::prepared::Prepared;

/// A report that moderators were not told of.
#[derive(Clone, Debug)]
pub struct UnpublishedReport {
    /// The message's chat.
    pub chat_id: ChatId,
    /// Names the event.
    pub event_id: EventId,
    /// The encoded event.
    pub payload: Bytes,
}

/// What somebody reports.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// The message.
    pub message_id: MessageId,
    /// Who reports it.
    pub reporter_id: UserId,
    /// Names the event.
    pub event_id: EventId,
    /// When.
    pub reported_at: OffsetDateTime,
    /// The encoded event.
    pub payload: Vec<u8>,
}

/// Keeps a report; false when the person had reported the message before.
///
/// # Errors
/// When the database does.
pub async fn insert_report(conn: &mut Connection, report: &NewReport) -> Result<bool, Error> {
    let query = sql_query(
        "INSERT INTO reports (chat_id, seq, reporter_id, event_id, reported_at, payload)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (chat_id, seq, reporter_id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(report.message_id.chat_id.as_uuid())
    .bind::<BigInt, _>(report.message_id.seq.as_i64())
    .bind::<SqlUuid, _>(report.reporter_id.as_uuid())
    .bind::<SqlUuid, _>(report.event_id.as_uuid())
    .bind::<Timestamptz, _>(report.reported_at)
    .bind::<Binary, _>(&report.payload);
    Ok(Prepared(query).execute(conn).await? > 0)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    event_id: Uuid,
    #[diesel(sql_type = Binary)]
    payload: Vec<u8>,
}

/// The oldest reports that moderators were not told of.
///
/// # Errors
/// When the database does.
pub async fn unpublished_reports(conn: &mut Connection, limit: i64) -> Result<Vec<UnpublishedReport>, Error> {
    let query = sql_query(
        "SELECT chat_id, event_id, payload FROM reports WHERE payload IS NOT NULL ORDER BY reported_at LIMIT $1",
    )
    .bind::<BigInt, _>(limit);
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let report = |row: Row| UnpublishedReport {
        chat_id: ChatId::from_uuid(row.chat_id),
        event_id: EventId::from_uuid(row.event_id),
        payload: row.payload.into(),
    };
    Ok(rows.into_iter().map(report).collect())
}

/// Forgets what was reported, once moderators were told: that it was stays.
///
/// # Errors
/// When the database does.
pub async fn reports_published(conn: &mut Connection, reports: &[UnpublishedReport]) -> Result<(), Error> {
    let query = sql_query(
        "UPDATE reports r SET payload = NULL FROM unnest($1, $2) AS p (chat_id, event_id)
         WHERE r.chat_id = p.chat_id AND r.event_id = p.event_id AND r.payload IS NOT NULL",
    )
    .bind::<Array<SqlUuid>, _>(reports.iter().map(|report| report.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(reports.iter().map(|report| report.event_id.as_uuid()).collect::<Vec<_>>());
    Prepared(query).execute(conn).await?;
    Ok(())
}
