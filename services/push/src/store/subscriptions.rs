use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_kernel::{DeviceId, SessionId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::web_push_subscriptions as subscriptions;
use crate::domain::Subscription;

/// Makes `new` the one subscription of its device and of its endpoint.
///
/// # Errors
/// When the database does.
pub async fn register(conn: &mut Connection, new: &Subscription, now: OffsetDateTime) -> Result<(), Error> {
    conn.transaction(async |conn| {
        // Who logged in after another user, on the device or in the browser, must not be told of the other's messages:
        // those rows go, and what was to be sent with them.
        forget_endpoint_elsewhere(conn, new).await?;
        diesel::delete(
            subscriptions::table.find(new.device_id.as_uuid()).filter(subscriptions::user_id.ne(new.user_id.as_uuid())),
        )
        .execute(conn)
        .await?;
        let values = (
            subscriptions::session_id.eq(new.session_id.as_uuid()),
            subscriptions::endpoint.eq(new.endpoint.as_str()),
            subscriptions::p256dh.eq(&new.keys.p256dh),
            subscriptions::auth.eq(&new.keys.auth),
            subscriptions::created_at.eq(now),
            subscriptions::paused_until.eq(None::<OffsetDateTime>),
        );
        diesel::insert_into(subscriptions::table)
            .values((
                subscriptions::device_id.eq(new.device_id.as_uuid()),
                subscriptions::user_id.eq(new.user_id.as_uuid()),
                values,
            ))
            .on_conflict(subscriptions::device_id)
            .do_update()
            .set(values)
            .execute(conn)
            .await?;
        Ok(())
    })
    .await
}

/// Those of `users` who have a subscribed device, in id order.
///
/// # Errors
/// When the database does.
pub async fn subscribed_users(conn: &mut Connection, users: &[UserId]) -> Result<Vec<UserId>, Error> {
    let users: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    let found: Vec<Uuid> = subscriptions::table
        .filter(subscriptions::user_id.eq_any(users))
        .select(subscriptions::user_id)
        .distinct()
        .order(subscriptions::user_id)
        .load(conn)
        .await?;
    Ok(found.into_iter().map(UserId::from_uuid).collect())
}

/// Forgets a device's subscription, and what was to be sent to it.
///
/// # Errors
/// When the database does.
pub async fn delete_of_device(conn: &mut Connection, device: DeviceId) -> Result<usize, Error> {
    Ok(diesel::delete(subscriptions::table.find(device.as_uuid())).execute(conn).await?)
}

/// Forgets a device's subscription if it still has this endpoint.
///
/// # Errors
/// When the database does.
pub async fn delete_at_endpoint(conn: &mut Connection, device: DeviceId, endpoint: &str) -> Result<usize, Error> {
    let stale = subscriptions::table.find(device.as_uuid()).filter(subscriptions::endpoint.eq(endpoint));
    Ok(diesel::delete(stale).execute(conn).await?)
}

/// Forgets the subscriptions that these logins registered.
///
/// # Errors
/// When the database does.
pub async fn delete_of_sessions(conn: &mut Connection, sessions: &[SessionId]) -> Result<usize, Error> {
    let ids: Vec<Uuid> = sessions.iter().map(SessionId::as_uuid).collect();
    Ok(diesel::delete(subscriptions::table.filter(subscriptions::session_id.eq_any(ids))).execute(conn).await?)
}

/// Registrations of one endpoint wait for each other until the transaction ends, so that two cannot both stay.
async fn forget_endpoint_elsewhere(conn: &mut Connection, new: &Subscription) -> Result<(), Error> {
    sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<Text, _>(new.endpoint.as_str())
        .execute(conn)
        .await?;
    // Found by the index on the digest: endpoints may be too long for one on themselves.
    sql_query("DELETE FROM web_push_subscriptions WHERE md5(endpoint) = md5($1) AND endpoint = $1 AND device_id <> $2")
        .bind::<Text, _>(new.endpoint.as_str())
        .bind::<SqlUuid, _>(new.device_id.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}
