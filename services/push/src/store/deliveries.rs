use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use godwit_kernel::{ChatId, DeviceId, MessageId, Seq, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::notifications;
use crate::domain::{Delivery, Keys};

/// Makes a delivery of a message to each device of `users` that is subscribed and has none, due at once or when the
/// device's pause ends. Tells how many were made.
///
/// # Errors
/// When the database does.
pub async fn enqueue(
    conn: &mut Connection,
    message: MessageId,
    users: &[UserId],
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<usize, Error> {
    let users: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    let count = sql_query(
        "WITH targets AS (SELECT device_id, paused_until FROM web_push_subscriptions WHERE user_id = ANY ($1)), \
              kept AS (INSERT INTO notifications (chat_id, seq, expires_at) \
                       SELECT $2, $3, $4 WHERE EXISTS (SELECT FROM targets) ON CONFLICT DO NOTHING) \
         INSERT INTO deliveries (device_id, chat_id, seq, due_at) \
         SELECT device_id, $2, $3, greatest($5, paused_until) FROM targets ORDER BY device_id ON CONFLICT DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(users)
    .bind::<SqlUuid, _>(message.chat_id.as_uuid())
    .bind::<BigInt, _>(message.seq.as_i64())
    .bind::<Timestamptz, _>(expires_at)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(count)
}

/// Claims due deliveries until `claimed_until`, at most one of a device and none of the `busy` ones: when the claimer
/// dies, they are due again then.
///
/// # Errors
/// When the database does.
pub async fn claim_due(
    conn: &mut Connection,
    limit: i64,
    busy: &[DeviceId],
    now: OffsetDateTime,
    claimed_until: OffsetDateTime,
) -> Result<Vec<Delivery>, Error> {
    let busy: Vec<Uuid> = busy.iter().map(DeviceId::as_uuid).collect();
    let rows: Vec<Row> = sql_query(
        "WITH due AS ( \
             SELECT device_id, chat_id, seq, due_at FROM deliveries \
             WHERE state = 'pending' AND due_at <= $1 AND device_id <> ALL ($2) \
             ORDER BY due_at LIMIT 8 * $3 \
         ), first AS ( \
             SELECT DISTINCT ON (device_id) device_id, chat_id, seq, due_at FROM due \
             ORDER BY device_id, due_at, chat_id, seq \
         ), claimed AS ( \
             SELECT d.device_id, d.chat_id, d.seq FROM deliveries d JOIN first USING (device_id, chat_id, seq) \
             WHERE d.state = 'pending' AND d.due_at <= $1 \
             ORDER BY first.due_at LIMIT $3 FOR NO KEY UPDATE OF d SKIP LOCKED \
         ) \
         UPDATE deliveries d SET due_at = $4, attempt_count = attempt_count + 1 \
         FROM claimed c \
         JOIN web_push_subscriptions s ON s.device_id = c.device_id \
         JOIN notifications n ON n.chat_id = c.chat_id AND n.seq = c.seq \
         WHERE d.device_id = c.device_id AND d.chat_id = c.chat_id AND d.seq = c.seq \
         RETURNING d.device_id, d.chat_id, d.seq, d.attempt_count, s.endpoint, s.p256dh, s.auth, n.expires_at",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<SqlUuid>, _>(busy)
    .bind::<BigInt, _>(limit)
    .bind::<Timestamptz, _>(claimed_until)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Delivery::from).collect())
}

/// Gives claimed deliveries back untried: they are due again at `due_at`.
///
/// # Errors
/// When the database does.
pub async fn release(conn: &mut Connection, claimed: &[Delivery], due_at: OffsetDateTime) -> Result<(), Error> {
    sql_query(
        "UPDATE deliveries d SET due_at = $4, attempt_count = attempt_count - 1 \
         FROM unnest($1, $2, $3) AS c (device_id, chat_id, seq) \
         WHERE d.device_id = c.device_id AND d.chat_id = c.chat_id AND d.seq = c.seq AND d.state = 'pending'",
    )
    .bind::<Array<SqlUuid>, _>(claimed.iter().map(|delivery| delivery.device_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(claimed.iter().map(|delivery| delivery.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(claimed.iter().map(|delivery| delivery.seq.as_i64()).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(due_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what was to be told of these messages; tells of how many there was something.
///
/// # Errors
/// When the database does.
pub async fn delete_messages(conn: &mut Connection, messages: &[MessageId]) -> Result<usize, Error> {
    Ok(sql_query(
        "DELETE FROM notifications n USING unnest($1, $2) AS m (chat_id, seq) \
         WHERE n.chat_id = m.chat_id AND n.seq = m.seq",
    )
    .bind::<Array<SqlUuid>, _>(messages.iter().map(|message| message.chat_id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(messages.iter().map(|message| message.seq.as_i64()).collect::<Vec<_>>())
    .execute(conn)
    .await?)
}

/// Forgets what was to be told of all messages of these chats.
///
/// # Errors
/// When the database does.
pub async fn delete_chats(conn: &mut Connection, chats: &[ChatId]) -> Result<usize, Error> {
    let chats: Vec<Uuid> = chats.iter().map(ChatId::as_uuid).collect();
    Ok(diesel::delete(notifications::table.filter(notifications::chat_id.eq_any(chats))).execute(conn).await?)
}

/// What becomes of a delivery after a try.
#[derive(Clone, Copy, Debug)]
pub enum Settlement {
    /// It was taken.
    Sent,
    /// It is given up.
    Failed,
    /// It is due again then, and nothing else for the device before.
    Postponed(OffsetDateTime),
}

/// Keeps how a try ended.
///
/// # Errors
/// When the database does.
pub async fn settle(conn: &mut Connection, delivery: &Delivery, settlement: Settlement) -> Result<(), Error> {
    let (state, until) = match settlement {
        Settlement::Sent => (Some("sent"), None),
        Settlement::Failed => (Some("failed"), None),
        Settlement::Postponed(until) => (None, Some(until)),
    };
    let Some(state) = state else {
        return postpone(conn, delivery, until).await;
    };
    sql_query("UPDATE deliveries SET state = $4 WHERE device_id = $1 AND chat_id = $2 AND seq = $3")
        .bind::<SqlUuid, _>(delivery.device_id.as_uuid())
        .bind::<SqlUuid, _>(delivery.chat_id.as_uuid())
        .bind::<BigInt, _>(delivery.seq.as_i64())
        .bind::<Text, _>(state)
        .execute(conn)
        .await?;
    Ok(())
}

async fn postpone(conn: &mut Connection, delivery: &Delivery, until: Option<OffsetDateTime>) -> Result<(), Error> {
    sql_query(
        "WITH paused AS (UPDATE web_push_subscriptions SET paused_until = $4 WHERE device_id = $1) \
         UPDATE deliveries \
         SET due_at = CASE WHEN chat_id = $2 AND seq = $3 THEN $4 ELSE greatest(due_at, $4) END \
         WHERE device_id = $1 AND state = 'pending'",
    )
    .bind::<SqlUuid, _>(delivery.device_id.as_uuid())
    .bind::<SqlUuid, _>(delivery.chat_id.as_uuid())
    .bind::<BigInt, _>(delivery.seq.as_i64())
    .bind::<Nullable<Timestamptz>, _>(until)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what is too old to be told, with its deliveries.
///
/// # Errors
/// When the database does.
pub async fn delete_expired(conn: &mut Connection, now: OffsetDateTime) -> Result<usize, Error> {
    Ok(diesel::delete(notifications::table.filter(notifications::expires_at.le(now))).execute(conn).await?)
}

/// How many deliveries are due or wait for another try; a hundred thousand is the most that is counted.
///
/// # Errors
/// When the database does.
pub async fn backlog(conn: &mut Connection) -> Result<i64, Error> {
    #[derive(QueryableByName)]
    struct Backlog {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let query = "SELECT count(*) FROM (SELECT FROM deliveries WHERE state = 'pending' LIMIT 100000) pending";
    let row: Backlog = sql_query(query).get_result(conn).await?;
    Ok(row.count)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    device_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Integer)]
    attempt_count: i32,
    #[diesel(sql_type = Text)]
    endpoint: String,
    #[diesel(sql_type = Binary)]
    p256dh: Vec<u8>,
    #[diesel(sql_type = Binary)]
    auth: Vec<u8>,
    #[diesel(sql_type = Timestamptz)]
    expires_at: OffsetDateTime,
}

impl From<Row> for Delivery {
    fn from(row: Row) -> Self {
        Self {
            device_id: DeviceId::from_uuid(row.device_id),
            chat_id: ChatId::from_uuid(row.chat_id),
            seq: Seq::from_i64(row.seq),
            attempt: row.attempt_count,
            endpoint: row.endpoint,
            keys: Keys { p256dh: row.p256dh, auth: row.auth },
            expires_at: row.expires_at,
        }
    }
}
