use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::last_seen;

/// Records that these users were online until `seen_at`, unless a later time is recorded.
///
/// # Errors
/// When the database does.
pub async fn record_last_seen(conn: &mut Connection, users: &[UserId], seen_at: OffsetDateTime) -> Result<(), Error> {
    // In one order, so that two statements cannot wait for each other's rows.
    let mut users: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    users.sort_unstable();
    users.dedup();
    let statement = "INSERT INTO last_seen (user_id, seen_at) SELECT user_id, $2 FROM unnest($1) AS user_id
        ON CONFLICT (user_id) DO UPDATE SET seen_at = excluded.seen_at WHERE last_seen.seen_at < excluded.seen_at";
    diesel::sql_query(statement).bind::<Array<SqlUuid>, _>(users).bind::<Timestamptz, _>(seen_at).execute(conn).await?;
    Ok(())
}

/// When these users were last online, as far as that was recorded.
///
/// # Errors
/// When the database does.
pub async fn last_seen_of(conn: &mut Connection, users: &[UserId]) -> Result<HashMap<UserId, OffsetDateTime>, Error> {
    let users: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    let rows: Vec<(Uuid, OffsetDateTime)> =
        last_seen::table.filter(last_seen::user_id.eq_any(users)).load(conn).await?;
    Ok(rows.into_iter().map(|(user_id, seen_at)| (UserId::from_uuid(user_id), seen_at)).collect())
}
