use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use super::SessionRow;
use super::end::end_one;
use crate::domain::{EndedSession, RefreshClaim, RefreshToken, Session, SessionEnd};
use crate::store::schema::sessions;
use crate::store::{MailFacts, MailKind, Occasion, Store, accounts, mails};

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
    Reused(EndedSession),
}

/// A refresh token on its way to its successor.
pub struct RefreshStep<'a> {
    /// What the client sent.
    pub token: &'a RefreshToken,
    /// What it gets.
    pub successor: &'a RefreshToken,
    /// When the session ends if it is not refreshed again.
    pub expires_at: OffsetDateTime,
}

impl Store {
    /// Continues a session by one of its refresh tokens, or ends it when the token was used before.
    pub async fn refresh_session(&self, step: &RefreshStep<'_>, occasion: &Occasion) -> Result<RefreshOutcome, Error> {
        let mut conn = self.pool.get().await?;
        let (session, claim) = conn
            .transaction::<_, Error, _>(async |conn| {
                let Some(session) = lock(conn, step.token).await? else { return Ok((None, RefreshClaim::Foreign)) };
                let claim = session.weigh(step.token, occasion.now);
                if claim == RefreshClaim::Newest {
                    rotate(conn, &session, step, occasion).await?;
                }
                Ok((Some(session), claim))
            })
            .await?;
        let Some(session) = session else { return Ok(RefreshOutcome::Ended) };
        match claim {
            RefreshClaim::Newest | RefreshClaim::Repeated => Ok(RefreshOutcome::Continued(session)),
            RefreshClaim::Expired => Ok(RefreshOutcome::Expired),
            RefreshClaim::Foreign => Ok(RefreshOutcome::Foreign),
            RefreshClaim::Reused => end_reused(&mut conn, &session, step.token, occasion).await,
        }
    }
}

/// Ends a session whose token was used before, in a transaction of its own: accounts are locked before their sessions,
/// and a refresh that goes well shall not wait for its account.
async fn end_reused(
    conn: &mut Connection,
    session: &Session,
    token: &RefreshToken,
    occasion: &Occasion,
) -> Result<RefreshOutcome, Error> {
    conn.transaction::<_, Error, _>(async |conn| {
        let Some(account) = accounts::lock(conn, session.user_id).await? else { return Ok(RefreshOutcome::Ended) };
        if lock(conn, token).await?.is_none() {
            return Ok(RefreshOutcome::Ended);
        }
        let ended = end_one(conn, session.id, SessionEnd::TokenReused, occasion).await?;
        let facts = MailFacts::of_device(&session.device);
        mails::enqueue(conn, MailKind::SessionAlert, &account.email, &facts, occasion.now).await?;
        Ok(ended.map_or(RefreshOutcome::Ended, RefreshOutcome::Reused))
    })
    .await
}

async fn lock(conn: &mut Connection, token: &RefreshToken) -> Result<Option<Session>, Error> {
    let row: Option<SessionRow> = sessions::table
        .find(token.session_id().as_uuid())
        .select(SessionRow::as_select())
        .for_update()
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(Session::from))
}

async fn rotate(
    conn: &mut Connection,
    session: &Session,
    step: &RefreshStep<'_>,
    occasion: &Occasion,
) -> Result<(), Error> {
    diesel::update(sessions::table.find(session.id.as_uuid()))
        .set((
            sessions::refresh_generation.eq(step.successor.generation()),
            sessions::refresh_hash.eq(step.successor.hash()),
            sessions::refreshed_at.eq(occasion.now),
            sessions::expires_at.eq(step.expires_at),
            sessions::last_address.eq(occasion.address_text().or_else(|| session.last_address.clone())),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
