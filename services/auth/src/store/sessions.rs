use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_kernel::{DeviceId, SessionId, UserId};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schema::{revocations, sessions, users};
use super::{MailKind, Store, mails};
use crate::domain::{Device, Email, RefreshClaim, RefreshToken, Revocation, Session};

/// What became of a refresh token.
#[derive(Debug)]
pub enum RefreshOutcome {
    /// The successor is the session's newest token, since this call or one a moment ago.
    Continued(Session),
    /// There is no such session any more.
    Ended,
    /// The session was not refreshed for too long.
    Expired,
    /// The token is of another chain.
    Foreign,
    /// The token was used before: the session is over, since this call.
    Reused(Revocation),
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    device_id: Uuid,
    device_name: String,
    device_platform: String,
    refresh_generation: i32,
    refresh_hash: Vec<u8>,
    refreshed_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    created_at: OffsetDateTime,
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.as_uuid(),
            user_id: session.user_id.as_uuid(),
            device_id: session.device.id.as_uuid(),
            device_name: session.device.name.clone(),
            device_platform: session.device.platform.clone(),
            refresh_generation: session.refresh_generation,
            refresh_hash: session.refresh_hash.clone(),
            refreshed_at: session.refreshed_at,
            expires_at: session.expires_at,
            created_at: session.created_at,
        }
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: SessionId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            device: Device {
                id: DeviceId::from_uuid(row.device_id),
                name: row.device_name,
                platform: row.device_platform,
            },
            refresh_generation: row.refresh_generation,
            refresh_hash: row.refresh_hash,
            refreshed_at: row.refreshed_at,
            expires_at: row.expires_at,
            created_at: row.created_at,
        }
    }
}

impl Store {
    /// Opens a session in place of the device's earlier one, which is revoked until `revocation_ends_at`.
    pub async fn open_session(
        &self,
        session: &Session,
        revocation_ends_at: OffsetDateTime,
    ) -> Result<Option<Revocation>, Error> {
        let now = session.created_at;
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            // Logins of one user take turns, so that two of the same device leave one session.
            let user_id = session.user_id.as_uuid();
            users::table.find(user_id).select(users::id).for_no_key_update().get_result::<Uuid>(conn).await?;
            let earlier = sessions::table
                .filter(sessions::user_id.eq(user_id).and(sessions::device_id.eq(session.device.id.as_uuid())))
                .select(sessions::id)
                .get_result::<Uuid>(conn)
                .await
                .optional()?;
            let revocation = match earlier {
                Some(id) => revoke(conn, SessionId::from_uuid(id), now, revocation_ends_at).await?,
                None => None,
            };
            diesel::insert_into(sessions::table).values(SessionRow::from(session)).execute(conn).await?;
            Ok(revocation)
        })
        .await
    }

    /// Continues a session by one of its refresh tokens, or ends it when the token was used before.
    pub async fn refresh_session(
        &self,
        token: &RefreshToken,
        successor: &RefreshToken,
        now: OffsetDateTime,
        ends: SessionEnds,
    ) -> Result<RefreshOutcome, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| {
            let row: Option<SessionRow> = sessions::table
                .find(token.session_id().as_uuid())
                .select(SessionRow::as_select())
                .for_update()
                .get_result(conn)
                .await
                .optional()?;
            let Some(session) = row.map(Session::from) else { return Ok(RefreshOutcome::Ended) };
            match session.weigh(token, now) {
                RefreshClaim::Newest => {
                    rotate(conn, &session, successor, now, ends.session).await?;
                    Ok(RefreshOutcome::Continued(session))
                }
                RefreshClaim::Repeated => Ok(RefreshOutcome::Continued(session)),
                RefreshClaim::Expired => Ok(RefreshOutcome::Expired),
                RefreshClaim::Foreign => Ok(RefreshOutcome::Foreign),
                RefreshClaim::Reused => {
                    alert(conn, &session, now).await?;
                    let revocation = revoke(conn, session.id, now, ends.revocation).await?;
                    Ok(revocation.map_or(RefreshOutcome::Ended, RefreshOutcome::Reused))
                }
            }
        })
        .await
    }

    /// Ends a session; `None` when it is over already.
    pub async fn revoke_session(
        &self,
        id: SessionId,
        now: OffsetDateTime,
        revocation_ends_at: OffsetDateTime,
    ) -> Result<Option<Revocation>, Error> {
        let mut conn = self.pool.get().await?;
        conn.transaction::<_, Error, _>(async |conn| revoke(conn, id, now, revocation_ends_at).await).await
    }

    /// The sessions that ended while access tokens of theirs may still be within their life.
    pub async fn revocations(&self, now: OffsetDateTime) -> Result<Vec<Revocation>, Error> {
        let mut conn = self.pool.get().await?;
        let rows: Vec<(Uuid, Uuid, OffsetDateTime)> = revocations::table
            .filter(revocations::expires_at.gt(now))
            .order(revocations::session_id)
            .select((revocations::session_id, revocations::user_id, revocations::revoked_at))
            .load(&mut conn)
            .await?;
        let revocation = |(session_id, user_id, revoked_at)| Revocation {
            session_id: SessionId::from_uuid(session_id),
            user_id: UserId::from_uuid(user_id),
            revoked_at,
        };
        Ok(rows.into_iter().map(revocation).collect())
    }
}

/// When what a refresh leaves behind ends.
#[derive(Clone, Copy, Debug)]
pub struct SessionEnds {
    /// The session, if it goes on and is not refreshed again.
    pub session: OffsetDateTime,
    /// The revocation, if the session ends here.
    pub revocation: OffsetDateTime,
}

async fn rotate(
    conn: &mut Connection,
    session: &Session,
    successor: &RefreshToken,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), Error> {
    diesel::update(sessions::table.find(session.id.as_uuid()))
        .set((
            sessions::refresh_generation.eq(successor.generation()),
            sessions::refresh_hash.eq(successor.hash()),
            sessions::refreshed_at.eq(now),
            sessions::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes the session away and leaves a revocation; `None` when it is gone already.
async fn revoke(
    conn: &mut Connection,
    id: SessionId,
    now: OffsetDateTime,
    ends_at: OffsetDateTime,
) -> Result<Option<Revocation>, Error> {
    let user_id: Option<Uuid> = diesel::delete(sessions::table.find(id.as_uuid()))
        .returning(sessions::user_id)
        .get_result(conn)
        .await
        .optional()?;
    let Some(user_id) = user_id else { return Ok(None) };
    diesel::insert_into(revocations::table)
        .values((
            revocations::session_id.eq(id.as_uuid()),
            revocations::user_id.eq(user_id),
            revocations::revoked_at.eq(now),
            revocations::expires_at.eq(ends_at),
        ))
        .execute(conn)
        .await?;
    Ok(Some(Revocation { session_id: id, user_id: UserId::from_uuid(user_id), revoked_at: now }))
}

async fn alert(conn: &mut Connection, session: &Session, now: OffsetDateTime) -> Result<(), Error> {
    let email: String = users::table.find(session.user_id.as_uuid()).select(users::email).get_result(conn).await?;
    mails::enqueue(conn, MailKind::SessionAlert, &Email::stored(email), now).await
}
