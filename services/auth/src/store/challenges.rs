use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_kernel::{DeviceId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::challenges;
use super::two_factor::{self, Proof};
use super::{LoggedIn, MailFacts, MailKind, Occasion, Store, accounts, logins, mails, sessions, throttles};
use crate::domain::{Challenge, Device, Fact, LoginOutcome, LoginRecord, Session};

/// How many logins of one account may wait for their second factor.
const WAITING_MAX: i64 = 10;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = challenges, check_for_backend(diesel::pg::Pg))]
struct ChallengeRow {
    token_hash: Vec<u8>,
    user_id: Uuid,
    device_id: Uuid,
    device_name: String,
    device_platform: String,
    wrong_try_count: i32,
    expires_at: OffsetDateTime,
}

/// A challenge, and what shall complete it.
pub struct Completion<'a> {
    /// The challenge.
    pub challenge: &'a Challenge,
    /// What was typed.
    pub proof: Proof,
    /// The session that it opens.
    pub session: &'a Session,
    /// The try, of outcome ok.
    pub record: &'a LoginRecord,
    /// What failures from this address are counted by.
    pub address_key: Option<[u8; 32]>,
}

/// What became of a challenge.
pub enum CompletionOutcome {
    /// The session is open.
    LoggedIn(LoggedIn),
    /// The second factor was wrong.
    Wrong,
    /// The challenge is over: used, spent, too old, or the account changed meanwhile.
    Gone,
}

impl Store {
    /// The challenge of a token, as long as it may be tried.
    pub async fn challenge(&self, token_hash: &[u8; 32], now: OffsetDateTime) -> Result<Option<Challenge>, Error> {
        let mut conn = self.pool.get().await?;
        let row: Option<ChallengeRow> = challenges::table
            .find(token_hash.as_slice())
            .filter(challenges::expires_at.gt(now))
            .select(ChallengeRow::as_select())
            .first(&mut conn)
            .await
            .optional()?;
        Ok(row.map(|row| Challenge {
            token_hash: *token_hash,
            user_id: UserId::from_uuid(row.user_id),
            device: Device {
                id: DeviceId::from_uuid(row.device_id),
                name: row.device_name,
                platform: row.device_platform,
            },
            expires_at: row.expires_at,
        }))
    }

    /// Opens the session of a challenge by its second factor, or counts a wrong one.
    pub async fn complete_challenge(
        &self,
        completion: &Completion<'_>,
        occasion: &Occasion,
    ) -> Result<CompletionOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let user_id = completion.challenge.user_id;
            let Some(account) = accounts::lock(conn, user_id).await? else { return Ok(CompletionOutcome::Gone) };
            let hash = completion.challenge.token_hash.as_slice();
            let wrong_try_count: Option<i32> = challenges::table
                .find(hash)
                .filter(challenges::expires_at.gt(occasion.now))
                .select(challenges::wrong_try_count)
                .for_update()
                .first(conn)
                .await
                .optional()?;
            let Some(wrong_try_count) = wrong_try_count else { return Ok(CompletionOutcome::Gone) };
            let Some(taken) = two_factor::take_proof(conn, user_id, &completion.proof).await? else {
                count_wrong(conn, completion, wrong_try_count, occasion).await?;
                return Ok(CompletionOutcome::Wrong);
            };
            diesel::delete(challenges::table.find(hash)).execute(conn).await?;
            if let Some(codes_left) = taken.recovery_codes_left {
                occasion.tell(conn, user_id, &[Fact::RecoveryCodeUsed { codes_left }]).await?;
                let facts = MailFacts { recovery_codes_left: Some(codes_left), ..MailFacts::default() };
                mails::enqueue(conn, MailKind::RecoveryCodeUsed, &account.email, &facts, occasion.now).await?;
            }
            let opened = sessions::open(conn, account, completion.session, completion.record, occasion).await?;
            Ok(opened.map_or(CompletionOutcome::Gone, CompletionOutcome::LoggedIn))
        })
        .await
    }
}

async fn count_wrong(
    conn: &mut Connection,
    completion: &Completion<'_>,
    wrong_try_count: i32,
    occasion: &Occasion,
) -> Result<(), Error> {
    let challenge = challenges::table.find(completion.challenge.token_hash.as_slice());
    if wrong_try_count + 1 >= Challenge::TRIES {
        diesel::delete(challenge).execute(conn).await?;
    } else {
        diesel::update(challenge).set(challenges::wrong_try_count.eq(wrong_try_count + 1)).execute(conn).await?;
    }
    let outcome = LoginOutcome::WrongCode;
    logins::insert(conn, &LoginRecord { outcome, ..completion.record.clone() }).await?;
    if let Some(key) = &completion.address_key {
        throttles::fail_address(conn, key, occasion.now).await?;
    }
    let device_id = completion.challenge.device.id;
    occasion.tell(conn, completion.challenge.user_id, &[Fact::LoginFailed { device_id, outcome }]).await
}

/// Keeps a challenge, in place of the device's earlier one; the oldest goes when there are too many.
pub(super) async fn insert(conn: &mut Connection, challenge: &Challenge, now: OffsetDateTime) -> Result<(), Error> {
    let (user_id, device) = (challenge.user_id.as_uuid(), &challenge.device);
    let of_user = challenges::table.filter(challenges::user_id.eq(user_id));
    let replaced = of_user.filter(challenges::device_id.eq(device.id.as_uuid()).or(challenges::expires_at.le(now)));
    diesel::delete(replaced).execute(conn).await?;
    let newest: Vec<Vec<u8>> = of_user
        .order(challenges::expires_at.desc())
        .limit(WAITING_MAX - 1)
        .select(challenges::token_hash)
        .load(conn)
        .await?;
    diesel::delete(of_user.filter(challenges::token_hash.ne_all(newest))).execute(conn).await?;
    let row = ChallengeRow {
        token_hash: challenge.token_hash.to_vec(),
        user_id,
        device_id: device.id.as_uuid(),
        device_name: device.name.clone(),
        device_platform: device.platform.clone(),
        wrong_try_count: 0,
        expires_at: challenge.expires_at,
    };
    diesel::insert_into(challenges::table).values(row).execute(conn).await?;
    Ok(())
}

/// What waits is worth nothing any more: the password or the second factor changed.
pub(super) async fn forget_all(conn: &mut Connection, user_id: UserId) -> Result<(), Error> {
    diesel::delete(challenges::table.filter(challenges::user_id.eq(user_id.as_uuid()))).execute(conn).await?;
    Ok(())
}
