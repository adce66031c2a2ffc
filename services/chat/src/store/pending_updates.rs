use std::time::Duration;

use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
use diesel::sql_types::{BigInt, Double, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::{ChatId, EventId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::pending_updates;
use crate::domain::{MembershipVersion, PendingUpdate};

/// For so long after the commit the update is left to the call that made it.
const FIRST_PAUSE: time::Duration = time::Duration::seconds(2);

/// Keeps an update until it is appended, inside the transaction of the change that it tells of. A change of an
/// existing chat has locked the chat's row before, so the numbers of a chat's updates have the order of its changes.
///
/// # Errors
/// When the database does.
pub async fn insert_pending_update(
    conn: &mut Connection,
    update: &PendingUpdate,
    now: OffsetDateTime,
) -> Result<(), Error> {
    insert_pending_updates(conn, std::slice::from_ref(update), now).await
}

/// The same for several, in their order.
///
/// # Errors
/// When the database does.
pub async fn insert_pending_updates(
    conn: &mut Connection,
    updates: &[PendingUpdate],
    now: OffsetDateTime,
) -> Result<(), Error> {
    let rows = updates.iter().map(|update| {
        (
            pending_updates::event_id.eq(update.event_id.as_uuid()),
            pending_updates::chat_id.eq(update.chat_id.as_uuid()),
            pending_updates::payload.eq(update.payload.as_deref()),
            pending_updates::membership_version.eq(update.membership_version.as_i64()),
            pending_updates::created_at.eq(now),
            pending_updates::next_attempt_at.eq(now + FIRST_PAUSE),
            pending_updates::joined_user_ids.eq(uuids(&update.joined)),
            pending_updates::left_user_ids.eq(uuids(&update.left)),
        )
    });
    diesel::insert_into(pending_updates::table).values(rows.collect::<Vec<_>>()).execute(conn).await?;
    Ok(())
}

fn uuids(user_ids: &[UserId]) -> Vec<Uuid> {
    user_ids.iter().map(UserId::as_uuid).collect()
}

type Row = (Uuid, Option<Vec<u8>>, i64, Vec<Uuid>, Vec<Uuid>);

/// The oldest changes of a chat that its log does not have yet, at most `limit`, the oldest first.
///
/// # Errors
/// When the database does.
pub async fn next_pending_updates(
    conn: &mut Connection,
    chat_id: ChatId,
    limit: u32,
) -> Result<Vec<PendingUpdate>, Error> {
    let rows: Vec<Row> = pending_updates::table
        .filter(pending_updates::chat_id.eq(chat_id.as_uuid()))
        .order(pending_updates::id)
        .limit(i64::from(limit))
        .select((
            pending_updates::event_id,
            pending_updates::payload,
            pending_updates::membership_version,
            pending_updates::joined_user_ids,
            pending_updates::left_user_ids,
        ))
        .load(conn)
        .await?;
    let ids = |ids: Vec<Uuid>| ids.into_iter().map(UserId::from_uuid).collect();
    let decode = |(event_id, payload, version, joined, left): Row| PendingUpdate {
        event_id: EventId::from_uuid(event_id),
        chat_id,
        payload: payload.map(Into::into),
        membership_version: MembershipVersion::from_i64(version),
        joined: ids(joined),
        left: ids(left),
    };
    Ok(rows.into_iter().map(decode).collect())
}

/// Forgets updates that are appended.
///
/// # Errors
/// When the database does.
pub async fn remove_pending_updates(conn: &mut Connection, event_ids: &[EventId]) -> Result<(), Error> {
    let ids: Vec<Uuid> = event_ids.iter().map(EventId::as_uuid).collect();
    diesel::delete(pending_updates::table.filter(pending_updates::event_id.eq_any(ids))).execute(conn).await?;
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct ChatRow {
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = BigInt)]
    update_count: i64,
}

/// What was taken to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The chats, each once.
    pub chats: Vec<ChatId>,
    /// How many updates of theirs.
    pub update_count: u64,
}

/// Takes at most `limit` updates whose append is due again, makes them due again after a pause that doubles with each
/// time up to a minute, and returns their chats, each once. Several replicas take different ones.
///
/// # Errors
/// When the database does.
pub async fn claim_pending_updates(conn: &mut Connection, now: OffsetDateTime, limit: u32) -> Result<Claimed, Error> {
    let rows: Vec<ChatRow> = diesel::sql_query(
        "WITH due AS (
             SELECT id FROM pending_updates WHERE next_attempt_at <= $1
             ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE pending_updates p SET attempts = p.attempts + 1,
                 next_attempt_at = $1 + make_interval(secs => least(2 ^ least(p.attempts + 1, 6), 60))
             FROM due WHERE p.id = due.id RETURNING p.chat_id
         )
         SELECT chat_id, count(*) AS update_count FROM claimed GROUP BY chat_id",
    )
    .bind::<diesel::sql_types::Timestamptz, _>(now)
    .bind::<BigInt, _>(i64::from(limit))
    .load(conn)
    .await?;
    let update_count = rows.iter().map(|row| u64::try_from(row.update_count).unwrap_or(0)).sum();
    Ok(Claimed { chats: rows.into_iter().map(|row| ChatId::from_uuid(row.chat_id)).collect(), update_count })
}

/// How much waits to be appended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backlog {
    /// How many updates.
    pub update_count: u32,
    /// The age of the oldest of them.
    pub oldest_age: Duration,
}

#[derive(diesel::QueryableByName)]
struct BacklogRow {
    #[diesel(sql_type = BigInt)]
    update_count: i64,
    #[diesel(sql_type = Double)]
    oldest_age_secs: f64,
}

/// How much waits to be appended.
///
/// # Errors
/// When the database does.
pub async fn backlog(conn: &mut Connection, now: OffsetDateTime) -> Result<Backlog, Error> {
    let row: BacklogRow = diesel::sql_query(
        "SELECT count(*) AS update_count,
             coalesce(extract(epoch FROM $1 - min(created_at)), 0)::float8 AS oldest_age_secs
         FROM (SELECT created_at FROM pending_updates ORDER BY id LIMIT 100000) AS oldest",
    )
    .bind::<diesel::sql_types::Timestamptz, _>(now)
    .get_result(conn)
    .await?;
    Ok(Backlog {
        update_count: u32::try_from(row.update_count).unwrap_or(u32::MAX),
        oldest_age: Duration::try_from_secs_f64(row.oldest_age_secs.max(0.0)).unwrap_or_default(),
    })
}
