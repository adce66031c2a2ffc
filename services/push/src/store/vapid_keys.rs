use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::schema::vapid_keys;

/// Keeps `candidate` if no key is kept yet, and returns the kept one: the same for every replica.
///
/// # Errors
/// When the database does.
pub async fn keep_vapid_key(
    conn: &mut Connection,
    candidate: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Vec<u8>, Error> {
    diesel::insert_into(vapid_keys::table)
        .values((vapid_keys::private_key.eq(candidate.as_slice()), vapid_keys::created_at.eq(now)))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(vapid_keys::table.select(vapid_keys::private_key).first(conn).await?)
}
