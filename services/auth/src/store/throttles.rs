use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::Store;
use super::schema::login_throttles;
use crate::domain::{LoginThrottle, ThrottleRule};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = login_throttles, check_for_backend(diesel::pg::Pg), treat_none_as_null = true)]
struct ThrottleRow {
    failure_count: i32,
    failed_at: OffsetDateTime,
    blocked_until: Option<OffsetDateTime>,
}

impl From<LoginThrottle> for ThrottleRow {
    fn from(throttle: LoginThrottle) -> Self {
        Self {
            failure_count: throttle.failure_count,
            failed_at: throttle.failed_at,
            blocked_until: throttle.blocked_until,
        }
    }
}

impl From<ThrottleRow> for LoginThrottle {
    fn from(row: ThrottleRow) -> Self {
        Self { failure_count: row.failure_count, failed_at: row.failed_at, blocked_until: row.blocked_until }
    }
}

/// A try was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttled {
    /// Too many failures of this login.
    Login {
        /// Until when.
        until: OffsetDateTime,
    },
    /// Too many failures from this address.
    Address {
        /// Until when.
        until: OffsetDateTime,
    },
}

impl Store {
    /// Takes a try of what one person knows, counted under `key`, unless too many from the address failed. Failures of
    /// an address are counted when they have happened: logins of many people from one address do not stand in each
    /// other's way, and guesses at once are bounded by the password pool.
    pub async fn take_try(
        &self,
        key: &[u8; 32],
        address_key: Option<&[u8; 32]>,
        now: OffsetDateTime,
    ) -> Result<Result<(), Throttled>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            if let Some(address_key) = address_key {
                let row: Option<ThrottleRow> = login_throttles::table
                    .find(address_key.as_slice())
                    .select(ThrottleRow::as_select())
                    .first(conn)
                    .await
                    .optional()?;
                if let Some(Err(until)) = row.map(|row| LoginThrottle::from(row).check(now)) {
                    return Ok(Err(Throttled::Address { until }));
                }
            }
            let mut throttle = lock(conn, key, now).await?;
            if let Err(until) = throttle.take(ThrottleRule::SECRET, now) {
                return Ok(Err(Throttled::Login { until }));
            }
            save(conn, key, throttle).await?;
            Ok(Ok(()))
        })
        .await
    }

    /// Forgets the failures under a key: the secret was right.
    pub async fn forget_failures(&self, key: &[u8; 32]) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        forget(&mut conn, &[key.to_vec()]).await
    }
}

/// Counts a failure of an address.
pub(super) async fn fail_address(conn: &mut Connection, key: &[u8; 32], now: OffsetDateTime) -> Result<(), Error> {
    let mut throttle = lock(conn, key, now).await?;
    throttle.fail(ThrottleRule::ADDRESS, now);
    save(conn, key, throttle).await
}

/// Forgets failures in a larger transaction.
pub(super) async fn forget(conn: &mut Connection, keys: &[Vec<u8>]) -> Result<(), Error> {
    diesel::delete(login_throttles::table.filter(login_throttles::login_hash.eq_any(keys))).execute(conn).await?;
    Ok(())
}

/// The failures under a key, locked until the transaction ends. One statement: between two a success could delete it.
async fn lock(conn: &mut Connection, key: &[u8; 32], now: OffsetDateTime) -> Result<LoginThrottle, Error> {
    let key = key.as_slice();
    let row: ThrottleRow = diesel::insert_into(login_throttles::table)
        .values((login_throttles::login_hash.eq(key), ThrottleRow::from(LoginThrottle::clear(now))))
        .on_conflict(login_throttles::login_hash)
        .do_update()
        .set(login_throttles::login_hash.eq(key))
        .returning(ThrottleRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(row.into())
}

async fn save(conn: &mut Connection, key: &[u8; 32], throttle: LoginThrottle) -> Result<(), Error> {
    diesel::update(login_throttles::table.find(key.as_slice())).set(ThrottleRow::from(throttle)).execute(conn).await?;
    Ok(())
}
