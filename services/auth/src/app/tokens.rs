use godwit_kernel::{EventId, SessionId, UserId};
use time::OffsetDateTime;

use super::App;
use crate::Error;
use crate::domain::{AccessClaims, Device, LoginOutcome, LoginRecord, RefreshToken, Session};
use crate::store::Occasion;

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

/// A session that is about to be opened. Its tokens are made first: a session whose tokens cannot be made must not
/// replace one that works.
pub(super) struct SessionDraft {
    pub session: Session,
    pub tokens: SessionTokens,
    pub record: LoginRecord,
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
            access_token: self.keyring.sign(&claims, now)?,
            access_token_expires_at: claims.expires_at,
            refresh_token: refresh_token.to_text(self.keyring.pepper()),
            session_id: session.id,
        })
    }

    pub(super) fn draft_session(
        &self,
        user_id: UserId,
        device: Device,
        occasion: &Occasion,
    ) -> Result<SessionDraft, Error> {
        let now = occasion.now;
        let id = SessionId::generate(&*self.clock, &*self.entropy);
        let refresh_token = RefreshToken::first(id, &*self.entropy);
        let record = self.login_record(user_id, LoginOutcome::Ok, &device, occasion);
        let session = Session {
            id,
            user_id,
            device,
            refresh_generation: refresh_token.generation(),
            refresh_hash: refresh_token.hash(),
            refreshed_at: now,
            expires_at: now + self.lifetimes.session,
            created_at: now,
            last_address: record.address.clone(),
        };
        let tokens = self.session_tokens(&session, &refresh_token, now)?;
        Ok(SessionDraft { session, tokens, record })
    }

    pub(super) fn login_record(
        &self,
        user_id: UserId,
        outcome: LoginOutcome,
        device: &Device,
        occasion: &Occasion,
    ) -> LoginRecord {
        LoginRecord {
            id: EventId::generate(&*self.clock, &*self.entropy),
            user_id,
            at: occasion.now,
            outcome,
            device: device.clone(),
            address: occasion.address.map(|address| address.to_text()),
        }
    }
}
