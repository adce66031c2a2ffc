use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::schema::garbage;
use crate::domain::ADDRESS_TTL;

/// Clocks of this process and the object store may differ so much.
const SLACK: time::Duration = time::Duration::minutes(15);

/// Notes objects of an upload that was begun at `created_at` to be removed: now, and once more when its address works no
/// longer, for until then its owner may put something there again.
///
/// # Errors
/// When the database does.
pub async fn insert(
    conn: &mut Connection,
    keys: &[String],
    created_at: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let until = (created_at + ADDRESS_TTL + SLACK).max(now);
    let rows: Vec<_> = keys
        .iter()
        .map(|key| (garbage::object_key.eq(key), garbage::due_at.eq(now), garbage::until.eq(until)))
        .collect();
    diesel::insert_into(garbage::table).values(rows).on_conflict_do_nothing().execute(conn).await?;
    Ok(())
}

/// At most `limit` keys of objects that are to be removed now, the longest due first.
///
/// # Errors
/// When the database does.
pub async fn due(conn: &mut Connection, now: OffsetDateTime, limit: i64) -> Result<Vec<String>, Error> {
    let due = garbage::table.filter(garbage::due_at.le(now)).order(garbage::due_at).limit(limit);
    Ok(due.select(garbage::object_key).load(conn).await?)
}

/// Notes that the object was removed: for good, or until its address works no longer.
///
/// # Errors
/// When the database does.
pub async fn removed(conn: &mut Connection, key: &str, now: OffsetDateTime) -> Result<(), Error> {
    let over = garbage::object_key.eq(key).and(garbage::until.le(now));
    diesel::delete(garbage::table.filter(over)).execute(conn).await?;
    diesel::update(garbage::table.find(key)).set(garbage::due_at.eq(garbage::until)).execute(conn).await?;
    Ok(())
}
