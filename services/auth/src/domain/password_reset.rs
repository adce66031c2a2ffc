use time::{Duration, OffsetDateTime};

use super::AskRefusal;
use super::pepper::same;

/// How long a mailed token sets a new password.
pub const RESET_TOKEN_LIFE: Duration = Duration::minutes(30);
const ASK_PAUSE: Duration = Duration::minutes(1);
const ASKS_A_DAY: i32 = 5;
const DAY: Duration = Duration::hours(24);

/// The reset token of one address and its limits: asked for once a minute and 5 times a day. The same for an address
/// without account, which never has a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordReset {
    /// Of the newest token; none when it was used.
    pub token_hash: Option<Vec<u8>>,
    /// When that token ends.
    pub token_expires_at: Option<OffsetDateTime>,
    /// When a token was asked for last.
    pub asked_at: Option<OffsetDateTime>,
    /// When the day of `day_ask_count` began.
    pub day_started_at: Option<OffsetDateTime>,
    /// How often a token was asked for since.
    pub day_ask_count: i32,
}

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetClaim {
    /// It sets a password, this once.
    Valid,
    /// It did once, or another took its place, or it never was.
    Unknown,
    /// Its time is over.
    Expired,
}

impl PasswordReset {
    /// Somebody asks for a token.
    ///
    /// # Errors
    /// Why not now; then nothing has changed.
    pub fn ask(&mut self, now: OffsetDateTime) -> Result<(), AskRefusal> {
        if let Some(until) = self.asked_at.map(|at| at + ASK_PAUSE).filter(|until| *until > now) {
            return Err(AskRefusal::TooSoon { until });
        }
        match self.day_started_at.map(|at| at + DAY).filter(|until| *until > now) {
            Some(until) if self.day_ask_count >= ASKS_A_DAY => return Err(AskRefusal::DailyLimit { until }),
            Some(_) => self.day_ask_count += 1,
            None => {
                self.day_started_at = Some(now);
                self.day_ask_count = 1;
            }
        }
        self.asked_at = Some(now);
        Ok(())
    }

    /// A token was made and is about to be sent; the one before is worth nothing from here on.
    pub fn issue(&mut self, token_hash: [u8; 32], now: OffsetDateTime) {
        self.token_hash = Some(token_hash.to_vec());
        self.token_expires_at = Some(now + RESET_TOKEN_LIFE);
    }

    /// What a token with this hash is worth now.
    pub fn weigh(&self, token_hash: &[u8; 32], now: OffsetDateTime) -> ResetClaim {
        let is_newest = self.token_hash.as_ref().is_some_and(|newest| same(newest, token_hash));
        match self.token_expires_at {
            Some(end) if is_newest && end > now => ResetClaim::Valid,
            Some(_) if is_newest => ResetClaim::Expired,
            _ => ResetClaim::Unknown,
        }
    }

    /// The token did its work.
    pub fn spend(&mut self) {
        self.token_hash = None;
        self.token_expires_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn a_token_is_asked_for_once_a_minute_and_five_times_a_day() {
        let (mut reset, mut now) = (PasswordReset::default(), START);
        for _ in 0..5 {
            reset.ask(now).unwrap();
            assert_eq!(reset.ask(now), Err(AskRefusal::TooSoon { until: now + ASK_PAUSE }));
            now += ASK_PAUSE;
        }
        assert_eq!(reset.ask(now), Err(AskRefusal::DailyLimit { until: START + DAY }));
        reset.ask(START + DAY).unwrap();
        assert_eq!(reset.day_ask_count, 1);
    }

    #[test]
    fn only_the_newest_token_sets_a_password_and_once() {
        let mut reset = PasswordReset::default();
        let (one, other) = ([1; 32], [2; 32]);
        assert_eq!(reset.weigh(&one, START), ResetClaim::Unknown);
        reset.issue(one, START);
        assert_eq!(reset.weigh(&one, START), ResetClaim::Valid);
        assert_eq!(reset.weigh(&other, START), ResetClaim::Unknown);
        assert_eq!(reset.weigh(&one, START + RESET_TOKEN_LIFE), ResetClaim::Expired);
        reset.issue(other, START);
        assert_eq!(reset.weigh(&one, START), ResetClaim::Unknown);
        reset.spend();
        assert_eq!(reset.weigh(&other, START), ResetClaim::Unknown);
    }
}
