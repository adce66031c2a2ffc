use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};

use super::history::{Row, call, media_code, state_code};
use crate::domain::{Call, Direction, HistoryQuery, State};

/// One side of a person's calls by its index, then the other; the newest of both. `$1` the person, `$2` the other party,
/// `$3` the media, `$4` the states, `$5` the last call of the page before, `$6` how many, `$7` whether made ones count,
/// `$8` whether received ones do.
const PAGE: &str = "
    WITH last AS (SELECT created_at, call_id FROM calls WHERE call_id = $5 AND $1 IN (caller_id, callee_id)),
    made AS (
        SELECT * FROM calls
        WHERE $7 AND caller_id = $1 AND ($2 IS NULL OR callee_id = $2) AND ($3 IS NULL OR media = $3)
          AND ($4 IS NULL OR state = ANY ($4))
          AND ($5 IS NULL OR (created_at, call_id) < (SELECT created_at, call_id FROM last))
        ORDER BY created_at DESC, call_id DESC LIMIT $6
    ),
    received AS (
        SELECT * FROM calls
        WHERE $8 AND callee_id = $1 AND ($2 IS NULL OR caller_id = $2) AND ($3 IS NULL OR media = $3)
          AND ($4 IS NULL OR state = ANY ($4))
          AND ($5 IS NULL OR (created_at, call_id) < (SELECT created_at, call_id FROM last))
        ORDER BY created_at DESC, call_id DESC LIMIT $6
    )
    SELECT * FROM (SELECT * FROM made UNION ALL SELECT * FROM received) both_sides
    ORDER BY created_at DESC, call_id DESC LIMIT $6";

/// A person's calls that are over, the newest first.
///
/// # Errors
/// When the database refuses or does not answer.
pub async fn page(connection: &mut Connection, user_id: UserId, query: &HistoryQuery) -> Result<Vec<Call>, Error> {
    let states = query.is_missed_only.then(|| State::MISSED_BY_CALLEE.map(state_code).to_vec());
    let makes = !query.is_missed_only && query.direction != Some(Direction::Received);
    let receives = query.direction != Some(Direction::Made);
    let rows: Vec<Row> = diesel::sql_query(PAGE)
        .bind::<SqlUuid, _>(user_id.as_uuid())
        .bind::<Nullable<SqlUuid>, _>(query.peer_id.map(|id| id.as_uuid()))
        .bind::<Nullable<SmallInt>, _>(query.media.map(media_code))
        .bind::<Nullable<Array<SmallInt>>, _>(states)
        .bind::<Nullable<SqlUuid>, _>(query.after.map(|id| id.as_uuid()))
        .bind::<BigInt, _>(query.limit)
        .bind::<Bool, _>(makes)
        .bind::<Bool, _>(receives)
        .load(connection)
        .await?;
    Ok(rows.into_iter().filter_map(call).collect())
}
