use godwit_kernel::{SessionId, UserId};
use time::{Duration, OffsetDateTime};

use super::pepper::same;
use super::{Device, RefreshToken, SessionEnd};

/// How long after a refresh the same token still yields the same successor: the answer may have been lost.
const REPEAT_GRACE: Duration = Duration::seconds(10);

/// One login of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// On what.
    pub device: Device,
    /// The place of the newest refresh token in its chain.
    pub refresh_generation: i32,
    /// The hash of the newest refresh token.
    pub refresh_hash: Vec<u8>,
    /// When that token was made.
    pub refreshed_at: OffsetDateTime,
    /// When the session ends unless it is refreshed.
    pub expires_at: OffsetDateTime,
    /// When the device logged in.
    pub created_at: OffsetDateTime,
    /// The IP address of the last login or refresh, as text; `None` when it is not known.
    pub last_address: Option<String>,
}

/// What a refresh token that names a session is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshClaim {
    /// The newest: rotate.
    Newest,
    /// The one before, a moment ago: the answer was lost, repeat it.
    Repeated,
    /// Used before: somebody has a copy.
    Reused,
    /// The session has not been refreshed for too long.
    Expired,
    /// Not of this chain.
    Foreign,
}

impl Session {
    /// The most of one user; a login beyond ends the one that was used least recently.
    pub const MAX: i64 = 100;

    /// What `token`, whose tag is right and which names this session, is worth now.
    pub fn weigh(&self, token: &RefreshToken, now: OffsetDateTime) -> RefreshClaim {
        if self.expires_at <= now {
            return RefreshClaim::Expired;
        }
        if token.generation() == self.refresh_generation {
            let is_newest = same(&token.hash(), &self.refresh_hash);
            return if is_newest { RefreshClaim::Newest } else { RefreshClaim::Foreign };
        }
        if token.generation() > self.refresh_generation {
            return RefreshClaim::Foreign;
        }
        let is_last = token.generation() == self.refresh_generation - 1;
        if is_last && now - self.refreshed_at <= REPEAT_GRACE { RefreshClaim::Repeated } else { RefreshClaim::Reused }
    }
}

/// A session that ended before its access tokens did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub session_id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// When.
    pub revoked_at: OffsetDateTime,
}

/// A session that was ended by this call, to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedSession {
    /// What verifiers must know.
    pub revocation: Revocation,
    /// Why.
    pub cause: SessionEnd,
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{DeviceId, SystemClock, SystemEntropy};

    use super::*;
    use crate::domain::Pepper;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn session() -> (Session, Pepper, RefreshToken) {
        let id = SessionId::generate(&SystemClock, &SystemEntropy);
        let pepper = Pepper::new(&[1; 32]);
        let token = RefreshToken::first(id, &SystemEntropy);
        let device = Device {
            id: DeviceId::generate(&SystemClock, &SystemEntropy),
            name: "phone".to_owned(),
            platform: "android".to_owned(),
        };
        let session = Session {
            id,
            user_id: UserId::generate(&SystemClock, &SystemEntropy),
            device,
            refresh_generation: 1,
            refresh_hash: token.hash(),
            refreshed_at: START,
            expires_at: START + Duration::days(1),
            created_at: START,
            last_address: None,
        };
        (session, pepper, token)
    }

    #[test]
    fn only_the_newest_token_rotates() {
        let (mut session, pepper, first) = session();
        assert_eq!(session.weigh(&first, START), RefreshClaim::Newest);
        let second = first.successor(&pepper);
        assert_eq!(session.weigh(&second, START), RefreshClaim::Foreign);
        session.refresh_generation = 2;
        session.refresh_hash = second.hash();
        assert_eq!(session.weigh(&second, START), RefreshClaim::Newest);
        assert_eq!(session.weigh(&first, START + REPEAT_GRACE), RefreshClaim::Repeated);
        assert_eq!(session.weigh(&first, START + REPEAT_GRACE + Duration::SECOND), RefreshClaim::Reused);
        session.refresh_generation = 3;
        assert_eq!(session.weigh(&first, START), RefreshClaim::Reused);
        assert_eq!(session.weigh(&second, START + Duration::days(1)), RefreshClaim::Expired);
    }

    #[test]
    fn a_token_of_the_same_place_in_another_chain_is_foreign() {
        let (session, _, _) = session();
        let other = RefreshToken::first(session.id, &SystemEntropy);
        assert_eq!(session.weigh(&other, START), RefreshClaim::Foreign);
    }
}
