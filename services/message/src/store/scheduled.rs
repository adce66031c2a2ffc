use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Double, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::{
    ClientMessageId, SCHEDULED_MAX, Scheduled, ScheduledContent, ScheduledId, Violation, check_send_at,
};
use crate::wire::{decode_scheduled_content, encode_scheduled_content};

/// Another replica takes a message over that was claimed this long ago.
const CLAIM_SECS: f64 = 0.5;
/// How long it is known under which client message id something was scheduled.
const ENDED_KEPT_DAYS: f64 = 7.0;

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

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    sender_id: Uuid,
    #[diesel(sql_type = Text)]
    client_message_id: String,
    #[diesel(sql_type = Binary)]
    payload: Vec<u8>,
    #[diesel(sql_type = Timestamptz)]
    send_at: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    created_at: OffsetDateTime,
    #[diesel(sql_type = Nullable<Text>)]
    failure: Option<String>,
    #[diesel(sql_type = Bool)]
    is_ended: bool,
    #[diesel(sql_type = Bool)]
    is_claimed: bool,
    #[diesel(sql_type = Timestamptz)]
    now: OffsetDateTime,
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

impl Row {
    fn into_scheduled(self) -> Scheduled {
        let chat_id = ChatId::from_uuid(self.chat_id);
        Scheduled {
            id: ScheduledId::from_uuid(self.id),
            chat_id,
            sender_id: UserId::from_uuid(self.sender_id),
            client_message_id: ClientMessageId::from_store(self.client_message_id),
            content: decode_scheduled_content(&self.payload, chat_id),
            send_at: self.send_at,
            created_at: self.created_at,
            failure: self.failure,
        }
    }
}

macro_rules! columns {
    ($from:literal) => {
        concat!(
            "s.chat_id, s.id, s.sender_id, s.client_message_id, s.payload, s.send_at, s.created_at, s.failure,
             s.ended_at IS NOT NULL AS is_ended, s.claimed_until IS NOT NULL AS is_claimed,
             clock_timestamp() AS now, s.attempts ",
            $from
        )
    };
}

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
const LOCK_ONE: &str =
    concat!("SELECT ", columns!("FROM scheduled_messages s WHERE s.id = $1 AND s.sender_id = $2 FOR UPDATE"));
/// A claim that ended without a word is taken over; what somebody else is claiming is skipped.
const CLAIM_DUE: &str = concat!(
    "WITH due AS (
         SELECT chat_id, id FROM scheduled_messages
         WHERE failure IS NULL AND ended_at IS NULL AND send_at <= clock_timestamp()
           AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
         ORDER BY send_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
     )
     UPDATE scheduled_messages s
     SET claimed_until = clock_timestamp() + make_interval(secs => $2), attempts = s.attempts + 1
     FROM due WHERE s.chat_id = due.chat_id AND s.id = due.id
     RETURNING ",
    columns!("")
);

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

async fn scheduled_before(conn: &mut Connection, new: &NewScheduled) -> Result<Option<ScheduleOutcome>, Error> {
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
             SET payload = $3, send_at = $4, failure = NULL, attempts = 0, untold_event_id = $5, changed_at = $6
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

/// A message that is due, and this replica's to send.
#[derive(Clone, Debug)]
pub struct DueMessage {
    /// The message.
    pub scheduled: Scheduled,
    /// Which try this is, from 1 on.
    pub attempt: i32,
    /// How long it is overdue.
    pub late: std::time::Duration,
}

/// Takes at most `limit` messages that are due, the longest due first.
///
/// # Errors
/// When the database does.
pub async fn claim_due_messages(conn: &mut Connection, limit: i64) -> Result<Vec<DueMessage>, Error> {
    let query = sql_query(CLAIM_DUE).bind::<BigInt, _>(limit).bind::<Double, _>(CLAIM_SECS);
    let rows: Vec<Row> = Prepared(query).load(conn).await?;
    let due = |row: Row| DueMessage {
        attempt: row.attempts,
        late: (row.now - row.send_at).try_into().unwrap_or_default(),
        scheduled: row.into_scheduled(),
    };
    let mut due: Vec<DueMessage> = rows.into_iter().map(due).collect();
    due.sort_by_key(|due| (due.scheduled.send_at, due.scheduled.id));
    Ok(due)
}

/// What is known of a message after a try.
#[derive(Clone, Debug)]
pub enum Settled {
    /// It was sent; the event tells the sender's devices.
    Ended(EventId),
    /// It cannot be sent, for this reason; the event tells the sender's devices.
    Failed(&'static str, EventId),
    /// It was not sent, and is due again.
    Released,
}

/// Keeps what is known after tries, in one statement. What another replica has settled meanwhile stays.
///
/// # Errors
/// When the database does.
pub async fn settle_scheduled(conn: &mut Connection, settled: &[(ChatId, ScheduledId, Settled)]) -> Result<(), Error> {
    let ends = |settled: &Settled| matches!(settled, Settled::Ended(_));
    let failure = |settled: &Settled| match settled {
        Settled::Failed(reason, _) => Some(*reason),
        Settled::Ended(_) | Settled::Released => None,
    };
    let event = |settled: &Settled| match settled {
        Settled::Ended(event_id) | Settled::Failed(_, event_id) => Some(event_id.as_uuid()),
        Settled::Released => None,
    };
    let query = sql_query(
        "UPDATE scheduled_messages s
         SET claimed_until = NULL, failure = t.failure,
             payload = CASE WHEN t.is_ended THEN '' ELSE s.payload END,
             ended_at = CASE WHEN t.is_ended THEN clock_timestamp() END,
             untold_event_id = coalesce(t.event_id, s.untold_event_id),
             changed_at = CASE WHEN t.event_id IS NULL THEN s.changed_at ELSE clock_timestamp() END
         FROM unnest($1, $2, $3, $4, $5) AS t (chat_id, id, is_ended, failure, event_id)
         WHERE s.chat_id = t.chat_id AND s.id = t.id AND s.ended_at IS NULL",
    )
    .bind::<Array<SqlUuid>, _>(settled.iter().map(|(chat_id, ..)| chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(settled.iter().map(|(_, id, _)| id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(settled.iter().map(|(.., settled)| ends(settled)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(settled.iter().map(|(.., settled)| failure(settled)).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(settled.iter().map(|(.., settled)| event(settled)).collect::<Vec<_>>());
    Prepared(query).execute(conn).await?;
    Ok(())
}

/// A change of what somebody has scheduled, of which their devices were not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntoldChange {
    /// Whose.
    pub sender_id: UserId,
    /// Where.
    pub chat_id: ChatId,
    /// Which.
    pub id: ScheduledId,
    /// Names the event that tells.
    pub event_id: EventId,
}

/// Changes that are to be told for more than a second: whoever made them did not come to it.
///
/// # Errors
/// When the database does.
pub async fn untold_changes(conn: &mut Connection, limit: i64) -> Result<Vec<UntoldChange>, Error> {
    #[derive(QueryableByName)]
    struct Untold {
        #[diesel(sql_type = SqlUuid)]
        sender_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        chat_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        untold_event_id: Uuid,
    }
    let query = sql_query(
        "SELECT sender_id, chat_id, id, untold_event_id FROM scheduled_messages
         WHERE untold_event_id IS NOT NULL AND changed_at < clock_timestamp() - interval '1 second'
         ORDER BY changed_at LIMIT $1",
    )
    .bind::<BigInt, _>(limit);
    let rows: Vec<Untold> = Prepared(query).load(conn).await?;
    let change = |row: Untold| UntoldChange {
        sender_id: UserId::from_uuid(row.sender_id),
        chat_id: ChatId::from_uuid(row.chat_id),
        id: ScheduledId::from_uuid(row.id),
        event_id: EventId::from_uuid(row.untold_event_id),
    };
    Ok(rows.into_iter().map(change).collect())
}

/// Notes that devices were told of a change, unless there is a newer one.
///
/// # Errors
/// When the database does.
pub async fn change_told(conn: &mut Connection, change: UntoldChange) -> Result<(), Error> {
    let query = sql_query(
        "UPDATE scheduled_messages SET untold_event_id = NULL WHERE chat_id = $1 AND id = $2 AND untold_event_id = $3",
    )
    .bind::<SqlUuid, _>(change.chat_id.as_uuid())
    .bind::<SqlUuid, _>(change.id.as_uuid())
    .bind::<SqlUuid, _>(change.event_id.as_uuid());
    Prepared(query).execute(conn).await?;
    Ok(())
}

/// Forgets what was sent or deleted a week ago, at most `limit` rows; tells how many.
///
/// # Errors
/// When the database does.
pub async fn forget_ended(conn: &mut Connection, limit: i64) -> Result<usize, Error> {
    let query = sql_query(
        "DELETE FROM scheduled_messages WHERE (chat_id, id) IN (
             SELECT chat_id, id FROM scheduled_messages
             WHERE ended_at < clock_timestamp() - make_interval(days => 1) * $1 AND untold_event_id IS NULL
             ORDER BY ended_at LIMIT $2)",
    )
    .bind::<Double, _>(ENDED_KEPT_DAYS)
    .bind::<BigInt, _>(limit);
    Ok(Prepared(query).execute(conn).await?)
}
