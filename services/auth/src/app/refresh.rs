use super::{App, SessionTokens, count};
use crate::Error;
use crate::domain::RefreshToken;
use crate::store::{RefreshOutcome, SessionEnds};

impl App {
    /// Exchanges a refresh token for its successor and a new access token. Within 10 s the same token gives the same
    /// successor again, for an answer that was lost; later it ends the session, for somebody has a copy.
    #[tracing::instrument(name = "auth.refresh", skip_all)]
    pub async fn refresh(&self, refresh_token: &str) -> Result<SessionTokens, Error> {
        let result = self.try_refresh(refresh_token).await;
        count("godwit_auth_refreshes_total", &result);
        result
    }

    async fn try_refresh(&self, refresh_token: &str) -> Result<SessionTokens, Error> {
        let pepper = self.keyring.pepper();
        let token = RefreshToken::parse(refresh_token, pepper).ok_or(Error::RefreshTokenInvalid)?;
        let successor = token.successor(pepper);
        let now = self.clock.now();
        let ends = SessionEnds { session: now + self.lifetimes.session, revocation: self.revocation_end(now) };
        match self.store.refresh_session(&token, &successor, now, ends).await? {
            RefreshOutcome::Continued(session) => self.session_tokens(&session, &successor, now),
            RefreshOutcome::Ended => Err(Error::SessionRevoked),
            RefreshOutcome::Expired => Err(Error::SessionExpired),
            RefreshOutcome::Foreign => Err(Error::RefreshTokenInvalid),
            RefreshOutcome::Reused(revocation) => {
                self.mail_queued.notify_one();
                self.announce(revocation, "reused").await;
                Err(Error::RefreshTokenReused)
            }
        }
    }
}
