use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::super::prepared::Prepared;
use super::row::{Row, columns};
use crate::domain::{
    ClientMessageId, SCHEDULED_MAX, Scheduled, ScheduledContent, ScheduledId, Violation, check_send_at,
};
use crate::wire::encode_scheduled_content;

const FIND_REPEATED: &str = concat!(
    "SELECT ",
    columns!("FROM scheduled_messages s WHERE s.chat_id = $1 AND s.sender_id = $2 AND s.client_message_id = $3")
);
const LIST: &str = concat!(
    "SELECT ",
    columns!(
        "FROM scheduled_messages s WHERE s.chat_id = $1 AND s.sender_id = $2 AND s.ended_at IS NULL
         ORDER BY s.send_at, s.id LIMIT $3"
    )
);

/// What somebody schedules.
#[derive(Clone, Debug)]
pub struct NewScheduled {
    /// Its id.
    pub id: ScheduledId,
    /// Where to.
    pub chat_id: ChatId,
    /// Whose.
    pub sender_id: UserId,
    /// Chosen by the sender.
    pub client_message_id: ClientMessageId,
    /// What it will say.
    pub content: ScheduledContent,
    /// When.
    pub send_at: OffsetDateTime,
    /// Tells the sender's devices.
    pub event_id: EventId,
}

/// What became of it.
#[derive(Debug)]
pub enum ScheduleOutcome {
    /// It is scheduled now.
    Scheduled(Scheduled),
    /// It was before, and may have been sent or deleted since.
    Repeated(Scheduled),
    /// Something else was scheduled under the same client message id.
    Reused,
    /// As many are scheduled as may.
    TooMany,
    /// It cannot be scheduled for then.
    NotThen(Violation),
}

/// Schedules a message, unless something was scheduled under the same client message id.
///
/// # Errors
/// When the database does.
pub async fn schedule(conn: &mut Connection, new: &NewScheduled) -> Result<ScheduleOutcome, Error> {
    conn.transaction(async |conn| {
        // One after the other for each person and chat, so that the count holds.
        let lock = format!("scheduled {} {}", new.chat_id, new.sender_id);
        let query = sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").bind::<Text, _>(lock);
        Prepared(query).execute(conn).await?;
        if let Some(outcome) = scheduled_before(conn, new).await? {
            return Ok(outcome);
        }
        let (count, now) = count_waiting(conn, new.chat_id, new.sender_id).await?;
        if let Err(violation) = check_send_at(new.send_at, now) {
            return Ok(ScheduleOutcome::NotThen(violation));
        }
        if count >= SCHEDULED_MAX {
            return Ok(ScheduleOutcome::TooMany);
        }
        insert(conn, new, now).await?;
        Ok(ScheduleOutcome::Scheduled(new.at(now)))
    })
    .await
}

impl NewScheduled {
    fn at(&self, created_at: OffsetDateTime) -> Scheduled {
        Scheduled {
            id: self.id,
            chat_id: self.chat_id,
            sender_id: self.sender_id,
            client_message_id: self.client_message_id.clone(),
            content: self.content.clone(),
            send_at: self.send_at,
            created_at,
            failure: None,
        }
    }
}

/// What was scheduled under the same client message id before, if anything was.
///
/// # Errors
/// When the database does.
pub async fn scheduled_before(conn: &mut Connection, new: &NewScheduled) -> Result<Option<ScheduleOutcome>, Error> {
    let query = sql_query(FIND_REPEATED)
        .bind::<SqlUuid, _>(new.chat_id.as_uuid())
        .bind::<SqlUuid, _>(new.sender_id.as_uuid())
        .bind::<Text, _>(new.client_message_id.as_str());
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    if row.is_ended {
        // What it said is forgotten; whoever repeats it knows.
        let first = Scheduled { id: ScheduledId::from_uuid(row.id), ..new.at(row.created_at) };
        return Ok(Some(ScheduleOutcome::Repeated(first)));
    }
    let first = row.into_scheduled();
    let is_same = first.content == new.content && first.send_at == new.send_at;
    Ok(Some(if is_same { ScheduleOutcome::Repeated(first) } else { ScheduleOutcome::Reused }))
}

async fn count_waiting(
    conn: &mut Connection,
    chat_id: ChatId,
    sender_id: UserId,
) -> Result<(i64, OffsetDateTime), Error> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
        #[diesel(sql_type = Timestamptz)]
        now: OffsetDateTime,
    }
    let query = sql_query(
        "SELECT count(*) AS count, clock_timestamp() AS now FROM scheduled_messages
         WHERE chat_id = $1 AND sender_id = $2 AND ended_at IS NULL",
    )
    .bind::<SqlUuid, _>(chat_id.as_uuid())
    .bind::<SqlUuid, _>(sender_id.as_uuid());
    let Count { count, now } = Prepared(query).get_result(conn).await?;
    Ok((count, now))
}

async fn insert(conn: &mut Connection, new: &NewScheduled, now: OffsetDateTime) -> Result<(), Error> {
    let query = sql_query(
        "INSERT INTO scheduled_messages
             (chat_id, id, sender_id, client_message_id, payload, send_at, created_at, untold_event_id, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7)",
    )
    .bind::<SqlUuid, _>(new.chat_id.as_uuid())
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(new.sender_id.as_uuid())
    .bind::<Text, _>(new.client_message_id.as_str())
    .bind::<Binary, _>(encode_scheduled_content(&new.content))
    .bind::<Timestamptz, _>(new.send_at)
    .bind::<Timestamptz, _>(now)
    .bind::<SqlUuid, _>(new.event_id.as_uuid());
    Prepared(query).execute(conn).await?;
    Ok(())
}

/// What a person has scheduled in a chat, the next due first.
///
/// # Errors
/// When the database does.
pub async fn list_scheduled(
    conn: &mut Connection,
    chat_id: ChatId,
    sender_id: UserId,
) -> Result<Vec<Scheduled>, Error> {
    let query = sql_query(LIST)
        .bind::<SqlUuid, _>(chat_id.as_uuid())
        .bind::<SqlUuid, _>(sender_id.as_uuid())
        .bind::<BigInt, _>(SCHEDULED_MAX);
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    Ok(rows.into_iter().map(Row::into_scheduled).collect())
}
