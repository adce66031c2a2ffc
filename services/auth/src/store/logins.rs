use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_kernel::{DeviceId, EventId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::{login_throttles, logins};
use super::{LoggedIn, Occasion, Store, accounts, challenges, sessions, throttles, two_factor};
use crate::domain::{Challenge, Device, Fact, LoginOutcome, LoginRecord, Session};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = logins, check_for_backend(diesel::pg::Pg))]
struct LoginRow {
    id: Uuid,
    user_id: Uuid,
    at: OffsetDateTime,
    outcome: i16,
    device_id: Uuid,
    device_name: String,
    device_platform: String,
    address: Option<String>,
}

/// A login whose password was right.
pub struct RightPassword<'a> {
    /// What the password was compared with: when it is another one by now, the login is refused.
    pub password_hash: &'a str,
    /// The session that is opened if nothing more is asked for.
    pub session: &'a Session,
    /// The challenge that is kept if a second factor is.
    pub challenge: &'a Challenge,
    /// The try, of outcome ok.
    pub record: &'a LoginRecord,
    /// What its failures were counted by.
    pub throttle_key: &'a [u8; 32],
}

/// What became of a login.
pub enum LoginResult {
    /// The session is open.
    LoggedIn(LoggedIn),
    /// A second factor is asked for.
    Challenged,
    /// The password or the account changed meanwhile.
    Stale,
}

/// A login whose password was wrong, or that names nobody.
pub struct WrongPassword<'a> {
    /// The try at an account; `None` when there is none.
    pub record: Option<&'a LoginRecord>,
    /// What its failures are counted by.
    pub throttle_key: &'a [u8; 32],
    /// What failures from this address are counted by.
    pub address_key: Option<&'a [u8; 32]>,
}

impl Store {
    /// Opens a session, or keeps a challenge when the account has two-factor logins.
    pub async fn log_in(&self, login: &RightPassword<'_>, occasion: &Occasion) -> Result<LoginResult, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let user_id = login.session.user_id;
            let account = accounts::lock(conn, user_id).await?;
            let account = account.filter(|account| account.password_hash == login.password_hash);
            let Some(account) = account else { return Ok(LoginResult::Stale) };
            throttles::forget(conn, &[login.throttle_key.to_vec()]).await?;
            if two_factor::is_enabled(conn, user_id).await? {
                challenges::insert(conn, login.challenge, occasion.now).await?;
                insert(conn, &LoginRecord { outcome: LoginOutcome::Challenged, ..login.record.clone() }).await?;
                return Ok(LoginResult::Challenged);
            }
            let opened = sessions::open(conn, account, login.session, login.record, occasion).await?;
            Ok(opened.map_or(LoginResult::Stale, LoginResult::LoggedIn))
        })
        .await
    }

    /// Records a wrong password. Costs the same commit and about the same statements whether there is an account.
    pub async fn record_wrong_password(&self, wrong: &WrongPassword<'_>, occasion: &Occasion) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let user_id = wrong.record.map_or_else(|| UserId::from_uuid(Uuid::nil()), |record| record.user_id);
            let account = accounts::lock(conn, user_id).await?;
            if let Some(key) = wrong.address_key {
                throttles::fail_address(conn, key, occasion.now).await?;
            }
            match wrong.record.filter(|_| account.is_some()) {
                Some(record) => {
                    let outcome = LoginOutcome::WrongPassword;
                    insert(conn, record).await?;
                    occasion.tell(conn, user_id, &[Fact::LoginFailed { device_id: record.device.id, outcome }]).await
                }
                None => {
                    for _ in 0..2 {
                        diesel::update(login_throttles::table.find(wrong.throttle_key.as_slice()))
                            .set(login_throttles::failed_at.eq(occasion.now))
                            .execute(conn)
                            .await?;
                    }
                    Ok(())
                }
            }
        })
        .await
    }

    /// The tries at a person's account after `since`, newest first: `limit` of those before `before`.
    pub async fn login_records(
        &self,
        user_id: UserId,
        before: Option<EventId>,
        since: OffsetDateTime,
        limit: i64,
    ) -> Result<Vec<LoginRecord>, Error> {
        let mut conn = self.pool.get().await?;
        let before = before.map_or(Uuid::max(), |id| id.as_uuid());
        let rows: Vec<LoginRow> = logins::table
            .filter(logins::user_id.eq(user_id.as_uuid()))
            .filter(logins::id.lt(before).and(logins::at.gt(since)))
            .order(logins::id.desc())
            .limit(limit)
            .select(LoginRow::as_select())
            .load(&mut conn)
            .await?;
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

/// `None` for an outcome of a later release.
fn read(row: LoginRow) -> Option<LoginRecord> {
    Some(LoginRecord {
        id: EventId::from_uuid(row.id),
        user_id: UserId::from_uuid(row.user_id),
        at: row.at,
        outcome: LoginOutcome::stored(row.outcome)?,
        device: Device { id: DeviceId::from_uuid(row.device_id), name: row.device_name, platform: row.device_platform },
        address: row.address,
    })
}

/// Adds a try to the history.
pub(super) async fn insert(conn: &mut Connection, record: &LoginRecord) -> Result<(), Error> {
    let row = LoginRow {
        id: record.id.as_uuid(),
        user_id: record.user_id.as_uuid(),
        at: record.at,
        outcome: record.outcome.code(),
        device_id: record.device.id.as_uuid(),
        device_name: record.device.name.clone(),
        device_platform: record.device.platform.clone(),
        address: record.address.clone(),
    };
    diesel::insert_into(logins::table).values(row).execute(conn).await?;
    Ok(())
}
