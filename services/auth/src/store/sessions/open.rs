use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_kernel::SessionId;
use godwit_pg::{Connection, Error};
use uuid::Uuid;

use super::SessionRow;
use super::end::end_one;
use crate::domain::{EndedSession, Fact, LoginRecord, Session, SessionEnd, User};
use crate::store::accounts::{self, LockedAccount};
use crate::store::schema::{known_devices, sessions};
use crate::store::{MailFacts, MailKind, Occasion, logins, mails};

/// Devices of one account that are remembered as known; the oldest is forgotten first.
const KNOWN_DEVICES_MAX: i64 = 1_000;

/// What a login came to.
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// Sessions that this one took the place of.
    pub ended: Vec<EndedSession>,
}

/// Opens a session in place of the device's earlier one, and of the one that was used least recently when there are too
/// many. A deleted account is back; `None` when it was deleted too long ago.
pub(in crate::store) async fn open(
    conn: &mut Connection,
    mut account: LockedAccount,
    session: &Session,
    record: &LoginRecord,
    occasion: &Occasion,
) -> Result<Option<LoggedIn>, Error> {
    if !accounts::restore(conn, &mut account, occasion).await? {
        return Ok(None);
    }
    let user_id = session.user_id;
    let mut ended = Vec::new();
    for id in displaced(conn, session, occasion).await? {
        ended.extend(end_one(conn, id, SessionEnd::Replaced, occasion).await?);
    }
    diesel::insert_into(sessions::table).values(SessionRow::from(session)).execute(conn).await?;
    let is_new_device = know_device(conn, session).await?;
    logins::insert(conn, record).await?;
    let fact = Fact::LoggedIn {
        session_id: session.id,
        device_id: session.device.id,
        platform: session.device.platform.clone(),
        is_new_device,
    };
    occasion.tell(conn, user_id, &[fact]).await?;
    if is_new_device {
        let facts = MailFacts::of_device(&session.device);
        mails::enqueue(conn, MailKind::NewDevice, &account.email, &facts, occasion.now).await?;
    }
    Ok(Some(LoggedIn { user: account.user, ended }))
}

/// The sessions that must go for this one.
async fn displaced(conn: &mut Connection, session: &Session, occasion: &Occasion) -> Result<Vec<SessionId>, Error> {
    let of_user = sessions::table.filter(sessions::user_id.eq(session.user_id.as_uuid()));
    diesel::delete(of_user.filter(sessions::expires_at.le(occasion.now))).execute(conn).await?;
    let same_device: Option<Uuid> = of_user
        .filter(sessions::device_id.eq(session.device.id.as_uuid()))
        .select(sessions::id)
        .first(conn)
        .await
        .optional()?;
    let beyond: Vec<Uuid> = of_user
        .filter(sessions::device_id.ne(session.device.id.as_uuid()))
        .order((sessions::refreshed_at.desc(), sessions::id.desc()))
        .offset(Session::MAX - 1)
        .select(sessions::id)
        .load(conn)
        .await?;
    Ok(same_device.into_iter().chain(beyond).map(SessionId::from_uuid).collect())
}

/// Whether the account had no login of this device before.
async fn know_device(conn: &mut Connection, session: &Session) -> Result<bool, Error> {
    let user_id = session.user_id.as_uuid();
    let row = (
        known_devices::user_id.eq(user_id),
        known_devices::device_id.eq(session.device.id.as_uuid()),
        known_devices::first_used_at.eq(session.created_at),
    );
    let added = diesel::insert_into(known_devices::table).values(row).on_conflict_do_nothing().execute(conn).await?;
    if added == 0 {
        return Ok(false);
    }
    let oldest: Vec<Uuid> = known_devices::table
        .filter(known_devices::user_id.eq(user_id))
        .order((known_devices::first_used_at.desc(), known_devices::device_id))
        .offset(KNOWN_DEVICES_MAX)
        .select(known_devices::device_id)
        .load(conn)
        .await?;
    if !oldest.is_empty() {
        let forgotten = known_devices::user_id.eq(user_id).and(known_devices::device_id.eq_any(oldest));
        diesel::delete(known_devices::table.filter(forgotten)).execute(conn).await?;
    }
    Ok(true)
}
