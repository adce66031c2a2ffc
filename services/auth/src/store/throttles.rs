use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_pg::Error;
use time::OffsetDateTime;

use super::Store;
use super::schema::login_throttles;
use crate::domain::LoginThrottle;

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

impl Store {
    /// Takes a try of a login, or tells before which instant none may be taken.
    pub async fn take_login_try(
        &self,
        key: &[u8; 32],
        now: OffsetDateTime,
    ) -> Result<Result<(), OffsetDateTime>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let key = key.as_slice();
            diesel::insert_into(login_throttles::table)
                .values((login_throttles::login_hash.eq(key), ThrottleRow::from(LoginThrottle::clear(now))))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            let row: ThrottleRow =
                login_throttles::table.find(key).select(ThrottleRow::as_select()).for_update().get_result(conn).await?;
            let mut throttle = LoginThrottle {
                failure_count: row.failure_count,
                failed_at: row.failed_at,
                blocked_until: row.blocked_until,
            };
            if let Err(until) = throttle.take(now) {
                return Ok(Err(until));
            }
            diesel::update(login_throttles::table.find(key)).set(ThrottleRow::from(throttle)).execute(conn).await?;
            Ok(Ok(()))
        })
        .await
    }

    /// Forgets a login's failures: the password was right.
    pub async fn forget_login_failures(&self, key: &[u8; 32]) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        diesel::delete(login_throttles::table.find(key.as_slice())).execute(&mut conn).await?;
        Ok(())
    }
}
