use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use godwit_kernel::{DeviceId, SessionId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{Address, Delivery, Provider, Purpose, PushToken};

/// Makes `new` the one token of its device for its purpose, and its device the one with this token.
///
/// # Errors
/// When the database does.
pub async fn register_token(conn: &mut Connection, new: &PushToken, now: OffsetDateTime) -> Result<(), Error> {
    conn.transaction(async |conn| {
        // Registrations of one token wait for each other until the transaction ends, so that two cannot both stay.
        sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))")
            .bind::<Text, _>(&new.text)
            .execute(conn)
            .await?;
        forget_other_tokens(conn, new).await?;
        if new.purpose == Purpose::Alert {
            // A device is told once.
            sql_query("DELETE FROM web_push_subscriptions WHERE device_id = $1")
                .bind::<SqlUuid, _>(new.device_id.as_uuid())
                .execute(conn)
                .await?;
        }
        sql_query(
            "INSERT INTO push_tokens (device_id, purpose, provider, user_id, session_id, token, registered_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (device_id, purpose) DO UPDATE SET session_id = excluded.session_id, \
             registered_at = excluded.registered_at, token = excluded.token, \
             paused_until = CASE WHEN push_tokens.token = excluded.token THEN push_tokens.paused_until END",
        )
        .bind::<SqlUuid, _>(new.device_id.as_uuid())
        .bind::<Text, _>(new.purpose.as_str())
        .bind::<Text, _>(new.provider.as_str())
        .bind::<SqlUuid, _>(new.user_id.as_uuid())
        .bind::<SqlUuid, _>(new.session_id.as_uuid())
        .bind::<Text, _>(&new.text)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
        Ok(())
    })
    .await
}

/// Who logged in after another user on the device must not be told of the other's messages: the token goes from there, and
/// what was to be sent with it.
async fn forget_other_tokens(conn: &mut Connection, new: &PushToken) -> Result<(), Error> {
    sql_query(
        "DELETE FROM push_tokens WHERE md5(token) = md5($1) AND token = $1 AND provider = $2 AND purpose = $3 \
         AND (device_id <> $4 OR user_id <> $5)",
    )
    .bind::<Text, _>(&new.text)
    .bind::<Text, _>(new.provider.as_str())
    .bind::<Text, _>(new.purpose.as_str())
    .bind::<SqlUuid, _>(new.device_id.as_uuid())
    .bind::<SqlUuid, _>(new.user_id.as_uuid())
    .execute(conn)
    .await?;
    sql_query("DELETE FROM push_tokens WHERE device_id = $1 AND purpose = $2 AND (user_id <> $3 OR provider <> $4)")
        .bind::<SqlUuid, _>(new.device_id.as_uuid())
        .bind::<Text, _>(new.purpose.as_str())
        .bind::<SqlUuid, _>(new.user_id.as_uuid())
        .bind::<Text, _>(new.provider.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct UserRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
}

/// Those of `users` who have a device that is told of messages, in id order.
///
/// # Errors
/// When the database does.
pub async fn reachable_users(conn: &mut Connection, users: &[UserId]) -> Result<Vec<UserId>, Error> {
    let users: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    let query = "SELECT DISTINCT user_id FROM addresses WHERE user_id = ANY ($1) AND purpose = 'alert' ORDER BY 1";
    let rows: Vec<UserRow> = sql_query(query).bind::<Array<SqlUuid>, _>(users).load(conn).await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.user_id)).collect())
}

/// Forgets a device's Web Push subscription, and what was to be sent there.
///
/// # Errors
/// When the database does.
pub async fn delete_subscription(conn: &mut Connection, device: DeviceId) -> Result<usize, Error> {
    let query = sql_query("DELETE FROM web_push_subscriptions WHERE device_id = $1");
    Ok(query.bind::<SqlUuid, _>(device.as_uuid()).execute(conn).await?)
}

/// Forgets a device's tokens, and what was to be sent there.
///
/// # Errors
/// When the database does.
pub async fn delete_tokens(conn: &mut Connection, device: DeviceId) -> Result<usize, Error> {
    let query = sql_query("DELETE FROM push_tokens WHERE device_id = $1");
    Ok(query.bind::<SqlUuid, _>(device.as_uuid()).execute(conn).await?)
}

/// Forgets an address if it is still the device's; with `since`, only if it was registered before.
///
/// # Errors
/// When the database does.
pub async fn delete_address(
    conn: &mut Connection,
    address: &Address,
    since: Option<OffsetDateTime>,
) -> Result<usize, Error> {
    Ok(sql_query(deletion(address.provider))
        .bind::<SqlUuid, _>(address.device_id.as_uuid())
        .bind::<Text, _>(&address.text)
        .bind::<Text, _>(address.purpose.as_str())
        .bind::<Nullable<Timestamptz>, _>(since)
        .execute(conn)
        .await?)
}

/// The same of the address of a delivery, whose record stays: it failed. What else waits for the device goes.
///
/// # Errors
/// When the database does.
pub async fn delete_address_of(
    conn: &mut Connection,
    delivery: &Delivery,
    since: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<usize, Error> {
    let Delivery { address, message_id, .. } = delivery;
    // The trigger that drops what waits runs after the whole statement.
    let query = format!(
        "WITH gone AS ({} RETURNING device_id), kept AS ( \
             UPDATE deliveries d SET state = 'failed', outcome = 'gone', finished_at = $7 \
             FROM gone g WHERE d.device_id = g.device_id AND d.chat_id = $5 AND d.seq = $6 \
         ) SELECT count(*) AS count FROM gone",
        deletion(address.provider)
    );
    let row: CountRow = sql_query(query)
        .bind::<SqlUuid, _>(address.device_id.as_uuid())
        .bind::<Text, _>(&address.text)
        .bind::<Text, _>(address.purpose.as_str())
        .bind::<Nullable<Timestamptz>, _>(since)
        .bind::<SqlUuid, _>(message_id.chat_id.as_uuid())
        .bind::<BigInt, _>(message_id.seq.as_i64())
        .bind::<Timestamptz, _>(now)
        .get_result(conn)
        .await?;
    Ok(usize::try_from(row.count).unwrap_or(0))
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

const fn deletion(provider: Provider) -> &'static str {
    match provider {
        Provider::Web => {
            "DELETE FROM web_push_subscriptions WHERE device_id = $1 AND endpoint = $2 AND $3 = 'alert' \
             AND ($4 IS NULL OR created_at <= $4)"
        }
        Provider::Apns | Provider::Fcm => {
            "DELETE FROM push_tokens WHERE device_id = $1 AND token = $2 AND purpose = $3 \
             AND ($4 IS NULL OR registered_at <= $4)"
        }
    }
}

/// Forgets the addresses that these logins registered.
///
/// # Errors
/// When the database does.
pub async fn delete_of_sessions(conn: &mut Connection, sessions: &[SessionId]) -> Result<usize, Error> {
    let ids: Vec<Uuid> = sessions.iter().map(SessionId::as_uuid).collect();
    let mut count = 0;
    for sql in [
        "DELETE FROM web_push_subscriptions WHERE session_id = ANY ($1)",
        "DELETE FROM push_tokens WHERE session_id = ANY ($1)",
    ] {
        count += sql_query(sql).bind::<Array<SqlUuid>, _>(&ids).execute(conn).await?;
    }
    Ok(count)
}

/// Sends nothing to an address before an instant.
///
/// # Errors
/// When the database does.
pub async fn pause_address(conn: &mut Connection, address: &Address, until: OffsetDateTime) -> Result<(), Error> {
    let sql = match address.provider {
        Provider::Web => "UPDATE web_push_subscriptions SET paused_until = $3 WHERE device_id = $1 AND $2 = 'alert'",
        Provider::Apns | Provider::Fcm => {
            "UPDATE push_tokens SET paused_until = $3 WHERE device_id = $1 AND purpose = $2"
        }
    };
    sql_query(sql)
        .bind::<SqlUuid, _>(address.device_id.as_uuid())
        .bind::<Text, _>(address.purpose.as_str())
        .bind::<Timestamptz, _>(until)
        .execute(conn)
        .await?;
    Ok(())
}
