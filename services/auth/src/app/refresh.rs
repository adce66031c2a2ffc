use super::{App, SessionTokens, count};
use crate::Error;
use crate::domain::{ClientAddress, RefreshToken};
use crate::store::{RefreshOutcome, RefreshStep};

impl App {
    /// Exchanges a refresh token for its successor and a new access token. Within 10 s the same token gives the same
    /// successor again, for an answer that was lost; later it ends the session, for somebody has a copy.
    #[tracing::instrument(name = "auth.refresh", skip_all)]
    pub async fn refresh(&self, refresh_token: &str, address: Option<ClientAddress>) -> Result<SessionTokens, Error> {
        let result = self.try_refresh(refresh_token, address).await;
        count("godwit_auth_refreshes_total", &result);
        result
    }

    async fn try_refresh(&self, refresh_token: &str, address: Option<ClientAddress>) -> Result<SessionTokens, Error> {
        let pepper = self.keyring.pepper();
        let token = RefreshToken::parse(refresh_token, pepper).ok_or(Error::RefreshTokenInvalid)?;
        let successor = token.successor(pepper);
        let occasion = self.occasion(address);
        let expires_at = occasion.now + self.lifetimes.session;
        let step = RefreshStep { token: &token, successor: &successor, expires_at };
        match self.store.refresh_session(&step, &occasion).await? {
            RefreshOutcome::Continued(session) => self.session_tokens(&session, &successor, occasion.now),
            RefreshOutcome::Ended => Err(Error::SessionRevoked),
            RefreshOutcome::Expired => Err(Error::SessionExpired),
            RefreshOutcome::Foreign => Err(Error::RefreshTokenInvalid),
            RefreshOutcome::Reused(ended) => {
                self.mail_queued.notify_one();
                self.announce([ended]).await;
                Err(Error::RefreshTokenReused)
            }
        }
    }
}
