use std::fmt;

use godwit_kernel::UserId;
use time::{Duration, OffsetDateTime};

use super::{Email, Pepper, Problem, Username};

const FIRST_PAUSE: Duration = Duration::seconds(1);
const LONGEST_PAUSE: Duration = Duration::minutes(15);

/// How patient a throttle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleRule {
    /// Failures in a row before the first pause.
    free_failures: i32,
    /// Without a failure for this long, all is forgotten.
    memory: Duration,
}

impl ThrottleRule {
    /// Of what one person knows: the password of a login, or a second factor.
    pub const SECRET: Self = Self { free_failures: 5, memory: Duration::hours(24) };
    /// Of a client's address: many people may share one.
    pub const ADDRESS: Self = Self { free_failures: 50, memory: Duration::hours(1) };
}

/// What wrong second factors of a person are counted by, wherever they are asked for.
pub fn second_factor_key(user_id: UserId, pepper: &Pepper) -> [u8; 32] {
    pepper.hash("second-factor-throttle", &[user_id.as_bytes()])
}

/// What wrong passwords of a person are counted by who is logged in already.
pub fn own_password_key(user_id: UserId, pepper: &Pepper) -> [u8; 32] {
    pepper.hash("own-password-throttle", &[user_id.as_bytes()])
}

/// What a person logs in by.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// With an `@`.
    Email(Email),
    /// Without.
    Username(Username),
}

impl Login {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// When it is neither an e-mail address nor a username.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.contains('@') {
            return Email::parse(text).map(Self::Email);
        }
        Username::parse(text).map(Self::Username).map_err(|_| "must be an e-mail address or a username")
    }

    /// What failures are counted by. An account's address and its name are counted apart: were they counted together,
    /// failing by one and being refused by the other would tell a stranger that they belong together, or exist.
    pub fn throttle_key(&self, pepper: &Pepper) -> [u8; 32] {
        match self {
            Self::Email(email) => pepper.hash("login-throttle-email", &[email.as_str().as_bytes()]),
            Self::Username(name) => pepper.hash("login-throttle-username", &[name.as_str().as_bytes()]),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// The failures of one login, person or address, and the pause they earned: 1 s after the last free one in a row, doubled
/// by each more, at most 15 minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginThrottle {
    /// In a row.
    pub failure_count: i32,
    /// The last one.
    pub failed_at: OffsetDateTime,
    /// No try before.
    pub blocked_until: Option<OffsetDateTime>,
}

impl LoginThrottle {
    /// Nothing failed yet.
    pub fn clear(now: OffsetDateTime) -> Self {
        Self { failure_count: 0, failed_at: now, blocked_until: None }
    }

    /// Takes a try, and counts it as failed until a success forgets it: of many tries at once no more are evaluated than
    /// one after another.
    ///
    /// # Errors
    /// The instant before which none may be taken.
    pub fn take(&mut self, rule: ThrottleRule, now: OffsetDateTime) -> Result<(), OffsetDateTime> {
        self.check(now)?;
        self.fail(rule, now);
        Ok(())
    }

    /// Whether a try may be taken now.
    ///
    /// # Errors
    /// The instant before which none may be taken.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), OffsetDateTime> {
        match self.blocked_until.filter(|until| *until > now) {
            Some(until) => Err(until),
            None => Ok(()),
        }
    }

    /// Counts a failure.
    pub fn fail(&mut self, rule: ThrottleRule, now: OffsetDateTime) {
        if now - self.failed_at > rule.memory {
            *self = Self::clear(now);
        }
        self.failure_count = self.failure_count.saturating_add(1);
        self.failed_at = now;
        self.blocked_until = self.pause(rule).map(|pause| now + pause);
    }

    fn pause(&self, rule: ThrottleRule) -> Option<Duration> {
        let doublings = self.failure_count.checked_sub(rule.free_failures).filter(|over| *over >= 0)?;
        let factor = 1_i32 << doublings.min(16);
        Some((FIRST_PAUSE * factor).min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [ThrottleRule; 2] = [ThrottleRule::SECRET, ThrottleRule::ADDRESS];

    #[test]
    fn pauses_grow_and_end_growing() {
        for rule in RULES {
            let mut now = OffsetDateTime::UNIX_EPOCH;
            let mut throttle = LoginThrottle::clear(now);
            for _ in 0..rule.free_failures {
                throttle.take(rule, now).unwrap();
            }
            let mut pauses = Vec::new();
            for _ in 0..12 {
                let until = throttle.take(rule, now).unwrap_err();
                pauses.push((until - now).whole_seconds());
                now = until;
                throttle.take(rule, now).unwrap();
            }
            assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        }
    }

    #[test]
    fn quiet_is_forgotten() {
        for rule in RULES {
            let start = OffsetDateTime::UNIX_EPOCH;
            let mut throttle = LoginThrottle::clear(start);
            for _ in 0..rule.free_failures {
                throttle.take(rule, start).unwrap();
            }
            let later = start + rule.memory + Duration::seconds(1);
            throttle.take(rule, later).unwrap();
            assert_eq!(throttle, LoginThrottle { failure_count: 1, failed_at: later, blocked_until: None });
        }
    }

    #[test]
    fn failures_at_once_are_all_counted() {
        let start = OffsetDateTime::UNIX_EPOCH;
        let mut throttle = LoginThrottle::clear(start);
        for _ in 0..=ThrottleRule::ADDRESS.free_failures {
            throttle.fail(ThrottleRule::ADDRESS, start);
        }
        assert_eq!(throttle.check(start), Err(start + Duration::seconds(2)));
    }

    #[test]
    fn a_login_is_an_address_or_a_name() {
        assert!(matches!(Login::parse("Ada@Example.org"), Ok(Login::Email(_))));
        assert!(matches!(Login::parse("Ada"), Ok(Login::Username(_))));
        assert!(Login::parse("").is_err());
        assert!(Login::parse("not@an@address").is_err());
    }
}
