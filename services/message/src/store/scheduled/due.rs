use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Double, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_pg::{Connection, Error};

use super::super::prepared::Prepared;
use super::row::{Row, columns};
use crate::domain::{Scheduled, ScheduledId};

/// Another replica takes a message over that was claimed this long ago.
const CLAIM_SECS: f64 = 0.5;
/// How long it is known under which client message id something was scheduled.
const ENDED_KEPT_DAYS: f64 = 7.0;
/// A claim that ended without a word is taken over; what somebody else is claiming is skipped, and what was moved meanwhile is
/// not due any more.
///
/// What one person sends to one chat goes in its order, also when replicas share the work: whoever gets the first that is
/// not yet sent gets what follows, and until it is settled nobody gets the rest.
const CLAIM_DUE: &str = concat!(
    "WITH firsts AS (
         SELECT f.chat_id, f.sender_id, f.send_at, f.id FROM scheduled_messages f
         WHERE f.failure IS NULL AND f.ended_at IS NULL AND f.send_at <= clock_timestamp()
           AND (f.claimed_until IS NULL OR f.claimed_until <= clock_timestamp())
           AND (f.next_try_at IS NULL OR f.next_try_at <= clock_timestamp())
           AND NOT EXISTS (
               SELECT FROM scheduled_messages before
               WHERE before.chat_id = f.chat_id AND before.sender_id = f.sender_id
                 AND before.failure IS NULL AND before.ended_at IS NULL
                 AND (before.send_at, before.id) < (f.send_at, f.id))
         ORDER BY f.send_at, f.id LIMIT $1 FOR UPDATE SKIP LOCKED
     ), due AS (
         SELECT d.chat_id, d.id
         FROM firsts f CROSS JOIN LATERAL (
             SELECT chat_id, id, send_at FROM scheduled_messages
             WHERE chat_id = f.chat_id AND sender_id = f.sender_id AND failure IS NULL AND ended_at IS NULL
               AND send_at <= clock_timestamp()
             ORDER BY send_at, id LIMIT $1
         ) d
         ORDER BY f.send_at, f.id, d.send_at, d.id LIMIT $1
     )
     UPDATE scheduled_messages s
     SET claimed_until = statement_timestamp() + make_interval(secs => $2), attempts = s.attempts + 1
     FROM due WHERE s.chat_id = due.chat_id AND s.id = due.id AND s.failure IS NULL AND s.ended_at IS NULL
       AND s.send_at <= clock_timestamp()
       AND (s.claimed_until IS NULL OR s.claimed_until <= clock_timestamp())
     RETURNING ",
    columns!("")
);

/// A message that is due, and this replica's to send.
#[derive(Clone, Debug)]
pub struct DueMessage {
    /// The message.
    pub scheduled: Scheduled,
    /// Which try this is, from 1 on.
    pub attempt: i32,
    /// How long it is overdue.
    pub late: Duration,
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
    /// It was not sent, and is tried again after this time.
    Released(Duration),
}

/// A message that was claimed, and what is known of it.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Its chat.
    pub chat_id: ChatId,
    /// Which.
    pub id: ScheduledId,
    /// Which try it was.
    pub attempt: i32,
    /// What came of it.
    pub settled: Settled,
}

/// Keeps what is known after tries, in one statement. What another replica has settled meanwhile stays; and what it has claimed
/// since is its own, unless it is known to be sent.
///
/// # Errors
/// When the database does.
pub async fn settle_scheduled(conn: &mut Connection, tried: &[Tried]) -> Result<(), Error> {
    let ends = |tried: &Tried| matches!(tried.settled, Settled::Ended(_));
    let failure = |tried: &Tried| match tried.settled {
        Settled::Failed(reason, _) => Some(reason),
        Settled::Ended(_) | Settled::Released(_) => None,
    };
    let event = |tried: &Tried| match tried.settled {
        Settled::Ended(event_id) | Settled::Failed(_, event_id) => Some(event_id.as_uuid()),
        Settled::Released(_) => None,
    };
    let pause = |tried: &Tried| match tried.settled {
        Settled::Released(pause) => Some(pause.as_secs_f64()),
        Settled::Ended(_) | Settled::Failed(..) => None,
    };
    let query = sql_query(
        "UPDATE scheduled_messages s
         SET claimed_until = NULL, failure = t.failure,
             next_try_at = clock_timestamp() + make_interval(secs => t.pause),
             payload = CASE WHEN t.is_ended THEN '' ELSE s.payload END,
             ended_at = CASE WHEN t.is_ended THEN clock_timestamp() END,
             untold_event_id = coalesce(t.event_id, s.untold_event_id),
             changed_at = CASE WHEN t.event_id IS NULL THEN s.changed_at ELSE clock_timestamp() END
         FROM unnest($1, $2, $3, $4, $5, $6, $7) AS t (chat_id, id, attempt, is_ended, failure, event_id, pause)
         WHERE s.chat_id = t.chat_id AND s.id = t.id AND s.ended_at IS NULL AND (t.is_ended OR s.attempts = t.attempt)",
    )
    .bind::<Array<SqlUuid>, _>(tried.iter().map(|tried| tried.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(tried.iter().map(|tried| tried.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(tried.iter().map(|tried| tried.attempt).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(tried.iter().map(ends).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(tried.iter().map(failure).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(tried.iter().map(event).collect::<Vec<_>>())
    .bind::<Array<Nullable<Double>>, _>(tried.iter().map(pause).collect::<Vec<_>>());
    Prepared(query).execute(conn).await?;
    Ok(())
}

/// Forgets all that a person has scheduled; tells how many messages.
///
/// # Errors
/// When the database does.
pub async fn forget_scheduled_of(conn: &mut Connection, sender_id: UserId) -> Result<usize, Error> {
    let query = sql_query("DELETE FROM scheduled_messages WHERE sender_id = $1");
    Ok(Prepared(query.bind::<SqlUuid, _>(sender_id.as_uuid())).execute(conn).await?)
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
