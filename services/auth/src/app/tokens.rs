use godwit_kernel::SessionId;
use time::OffsetDateTime;

use super::App;
use crate::Error;
use crate::domain::{AccessClaims, RefreshToken, Session};

/// The tokens of one session, to be given to its client and to nobody else.
pub struct SessionTokens {
    /// PASETO v4.public.
    pub access_token: String,
    /// When it ends.
    pub access_token_expires_at: OffsetDateTime,
    /// Replaced at every refresh.
    pub refresh_token: String,
    /// Whose.
    pub session_id: SessionId,
}

impl App {
    pub(super) fn session_tokens(
        &self,
        session: &Session,
        refresh_token: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<SessionTokens, Error> {
        let ids = (session.user_id, session.id, session.device.id);
        let claims = AccessClaims::new(ids, now, self.lifetimes.access_token);
        Ok(SessionTokens {
            access_token: self.keyring.signing_key().sign(&claims)?,
            access_token_expires_at: claims.expires_at,
            refresh_token: refresh_token.to_text(self.keyring.pepper()),
            session_id: session.id,
        })
    }
}
