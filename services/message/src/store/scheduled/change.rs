use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Binary, Bool, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::prepared::Prepared;
use super::row::{Row, columns};
use crate::domain::{Scheduled, ScheduledId};
use crate::wire::encode_scheduled_content;

const LOCK_ONE: &str =
    concat!("SELECT ", columns!("FROM scheduled_messages s WHERE s.id = $1 AND s.sender_id = $2 FOR UPDATE"));

/// What became of a change of what is scheduled.
#[derive(Debug)]
pub enum ChangeOutcome<T> {
    /// It is so now.
    Changed(T),
    /// There is none with this id, or none any more.
    NotFound,
    /// It is being sent at this moment.
    BeingSent,
}

/// Changes what a person has scheduled, as `change` says, given the database's time. What is being sent stays: then it is
/// either sent or refused, and nobody changes it in between.
///
/// # Errors
/// When the database does. What `change` refuses is the inner error; nothing is changed then.
pub async fn change_scheduled<E: Send>(
    conn: &mut Connection,
    (id, sender_id): (ScheduledId, UserId),
    event_id: EventId,
    change: impl FnOnce(Scheduled, OffsetDateTime) -> Result<Scheduled, E> + Send,
) -> Result<Result<ChangeOutcome<Scheduled>, E>, Error> {
    conn.transaction(async |conn| {
        let before = match lock_waiting(conn, id, sender_id).await? {
            ChangeOutcome::Changed(row) => row,
            ChangeOutcome::NotFound => return Ok(Ok(ChangeOutcome::NotFound)),
            ChangeOutcome::BeingSent => return Ok(Ok(ChangeOutcome::BeingSent)),
        };
        let now = before.now;
        let after = match change(before.into_scheduled(), now) {
            Ok(after) => Scheduled { failure: None, ..after },
            Err(refused) => return Ok(Err(refused)),
        };
        let query = sql_query(
            "UPDATE scheduled_messages
             SET payload = $3, send_at = $4, failure = NULL, attempts = 0, next_try_at = NULL, untold_event_id = $5, changed_at = $6
             WHERE chat_id = $1 AND id = $2",
        )
        .bind::<SqlUuid, _>(after.chat_id.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Binary, _>(encode_scheduled_content(&after.content))
        .bind::<Timestamptz, _>(after.send_at)
        .bind::<SqlUuid, _>(event_id.as_uuid())
        .bind::<Timestamptz, _>(now);
        Prepared(query).execute(conn).await?;
        Ok(Ok(ChangeOutcome::Changed(after)))
    })
    .await
}

/// Deletes what a person has scheduled; answers in which chat.
///
/// # Errors
/// When the database does.
pub async fn delete_scheduled(
    conn: &mut Connection,
    (id, sender_id): (ScheduledId, UserId),
    event_id: EventId,
) -> Result<ChangeOutcome<ChatId>, Error> {
    conn.transaction(async |conn| {
        let row = match lock_waiting(conn, id, sender_id).await? {
            ChangeOutcome::Changed(row) => row,
            ChangeOutcome::NotFound => return Ok(ChangeOutcome::NotFound),
            ChangeOutcome::BeingSent => return Ok(ChangeOutcome::BeingSent),
        };
        let query = sql_query(
            "UPDATE scheduled_messages
             SET payload = '', failure = NULL, ended_at = $3, untold_event_id = $4, changed_at = $3
             WHERE chat_id = $1 AND id = $2",
        )
        .bind::<SqlUuid, _>(row.chat_id)
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Timestamptz, _>(row.now)
        .bind::<SqlUuid, _>(event_id.as_uuid());
        Prepared(query).execute(conn).await?;
        Ok(ChangeOutcome::Changed(ChatId::from_uuid(row.chat_id)))
    })
    .await
}

/// Locks a message that waits. One that was claimed before may have been sent by a replica that is slow to tell: what the
/// log holds decides.
async fn lock_waiting(conn: &mut Connection, id: ScheduledId, sender_id: UserId) -> Result<ChangeOutcome<Row>, Error> {
    let query = sql_query(LOCK_ONE).bind::<SqlUuid, _>(id.as_uuid()).bind::<SqlUuid, _>(sender_id.as_uuid());
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let Some(row) = rows.into_iter().next().filter(|row| !row.is_ended) else {
        return Ok(ChangeOutcome::NotFound);
    };
    if row.is_claimed {
        return Ok(ChangeOutcome::BeingSent);
    }
    if row.attempts > 0 && is_sent(conn, (row.chat_id, row.sender_id), id).await? {
        return Ok(ChangeOutcome::NotFound);
    }
    Ok(ChangeOutcome::Changed(row))
}

/// Whether a scheduled message is in its chat's log.
///
/// # Errors
/// When the database does.
pub async fn is_scheduled_sent(conn: &mut Connection, scheduled: &Scheduled) -> Result<bool, Error> {
    is_sent(conn, (scheduled.chat_id.as_uuid(), scheduled.sender_id.as_uuid()), scheduled.id).await
}

async fn is_sent(conn: &mut Connection, (chat_id, sender_id): (Uuid, Uuid), id: ScheduledId) -> Result<bool, Error> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let query = sql_query(
        "SELECT EXISTS (SELECT FROM messages WHERE chat_id = $1 AND sender_id = $2 AND client_message_id = $3) AS found",
    )
    .bind::<SqlUuid, _>(chat_id)
    .bind::<SqlUuid, _>(sender_id)
    .bind::<Text, _>(id.client_message_id().as_str().to_owned());
    let Found { found } = Prepared(query).get_result(conn).await?;
    Ok(found)
}
