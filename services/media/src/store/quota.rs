use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::{Duration, OffsetDateTime};

use crate::domain::Use;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    pending_count: i64,
    #[diesel(sql_type = BigInt)]
    pending_bytes: i64,
    #[diesel(sql_type = BigInt)]
    daily_count: i64,
    #[diesel(sql_type = BigInt)]
    daily_bytes: i64,
    #[diesel(sql_type = BigInt)]
    total_bytes: i64,
}

/// What a user has uploaded. One look over the index of their uploads.
///
/// # Errors
/// When the database does.
pub async fn used_by(conn: &mut Connection, owner: UserId, now: OffsetDateTime) -> Result<Use, Error> {
    let row: Row = diesel::sql_query(
        "SELECT count(*) FILTER (WHERE state IN ('pending', 'expired')) AS pending_count, \
                coalesce(sum(size_bytes) FILTER (WHERE state IN ('pending', 'expired')), 0)::bigint AS pending_bytes, \
                count(*) FILTER (WHERE created_at > $2) AS daily_count, \
                coalesce(sum(size_bytes) FILTER (WHERE created_at > $2), 0)::bigint AS daily_bytes, \
                coalesce(sum(size_bytes) FILTER (WHERE state <> 'rejected'), 0)::bigint AS total_bytes \
         FROM media WHERE owner_id = $1",
    )
    .bind::<SqlUuid, _>(owner.as_uuid())
    .bind::<Timestamptz, _>(now - Duration::DAY)
    .get_result(conn)
    .await?;
    Ok(Use {
        pending_count: row.pending_count.cast_unsigned(),
        pending_bytes: row.pending_bytes.cast_unsigned(),
        daily_count: row.daily_count.cast_unsigned(),
        daily_bytes: row.daily_bytes.cast_unsigned(),
        total_bytes: row.total_bytes.cast_unsigned(),
    })
}
