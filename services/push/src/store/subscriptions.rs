use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

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
        // A device is told once.
        sql_query("DELETE FROM push_tokens WHERE device_id = $1 AND purpose = 'alert'")
            .bind::<SqlUuid, _>(new.device_id.as_uuid())
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
