use diesel::sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chats::IdRow;
use crate::domain::MembershipVersion;

/// Makes the Saved Messages of those who have none, and tells for whom. Who makes the same at the same moment waits.
///
/// # Errors
/// When the database does.
pub async fn make_saved_chats(
    conn: &mut Connection,
    user_ids: &[UserId],
    now: OffsetDateTime,
) -> Result<Vec<UserId>, Error> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "WITH made AS (
             INSERT INTO chats (id, kind, membership_version, created_at, member_count)
             SELECT id, 'saved', $2, $3, 1 FROM unnest($1) AS asked (id) ORDER BY id
             ON CONFLICT (id) DO NOTHING RETURNING id
         )
         INSERT INTO members (chat_id, user_id, joined_at, role) SELECT id, id, $3, 'owner' FROM made
         RETURNING user_id AS id",
    )
    .bind::<Array<SqlUuid>, _>(uuids(user_ids))
    .bind::<BigInt, _>(MembershipVersion::FIRST.as_i64())
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.id)).collect())
}

/// Locks the Saved Messages of some people until the transaction ends, in id order. Those that are not there, or no
/// longer, are left out.
///
/// # Errors
/// When the database does.
pub async fn lock_saved_chats(conn: &mut Connection, user_ids: &[UserId]) -> Result<Vec<UserId>, Error> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT id FROM chats WHERE id = ANY($1) AND kind = 'saved' AND deleted_at IS NULL
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind::<Array<SqlUuid>, _>(uuids(user_ids))
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.id)).collect())
}

fn uuids(user_ids: &[UserId]) -> Vec<Uuid> {
    user_ids.iter().map(UserId::as_uuid).collect()
}
