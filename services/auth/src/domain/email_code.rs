use std::fmt;

use godwit_kernel::Entropy;
use time::{Duration, OffsetDateTime};

use super::pepper::same;
use super::{Email, Pepper, Problem};

const DIGITS: usize = 6;
/// How many wrong tries a code survives.
const TRIES: i32 = 5;
const LOCKOUT: Duration = Duration::minutes(15);
const ASK_PAUSE: Duration = Duration::minutes(1);
const ASKS_A_DAY: i32 = 5;
const DAY: Duration = Duration::hours(24);

/// The 6 digits that prove that somebody reads an address's mail.
#[derive(Clone)]
pub struct Code(String);

impl Code {
    /// A random code.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(format!("{:06}", entropy.below(1_000_000)))
    }

    /// Reads what a person typed.
    ///
    /// # Errors
    /// When it is not 6 digits.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("must be 6 digits");
        }
        Ok(Self(text.to_owned()))
    }

    /// For the mail.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored: bound to the address, keyed by the pepper.
    pub fn hash(&self, email: &Email, pepper: &Pepper) -> [u8; 32] {
        pepper.hash("email-code", &[email.as_str().as_bytes(), self.0.as_bytes()])
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// The code of one address and its limits: 5 tries, then a lockout of 15 minutes; asked for once a minute and 5 times
/// a day. The same for an address that nobody registered, which never has a code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmailCode {
    /// Of the newest code.
    pub code_hash: Option<Vec<u8>>,
    /// When that code ends.
    pub code_expires_at: Option<OffsetDateTime>,
    /// When that code did its work.
    pub code_used_at: Option<OffsetDateTime>,
    /// Since that code was made, or the last lockout ended.
    pub wrong_try_count: i32,
    /// No try and no new code before.
    pub locked_until: Option<OffsetDateTime>,
    /// When a code was asked for last.
    pub asked_at: Option<OffsetDateTime>,
    /// When the day of `day_ask_count` began.
    pub day_started_at: Option<OffsetDateTime>,
    /// How often a code was asked for since.
    pub day_ask_count: i32,
}

/// Why no code may be asked for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskRefusal {
    /// Too many wrong tries.
    Locked {
        /// Until when.
        until: OffsetDateTime,
    },
    /// Less than a minute since the last.
    TooSoon {
        /// Until when.
        until: OffsetDateTime,
    },
    /// Five times within a day.
    DailyLimit {
        /// Until when.
        until: OffsetDateTime,
    },
}

/// What a try of a code came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeCheck {
    /// It is the code, for the first time.
    Right,
    /// It is the code, and it has done its work already: the answer was lost, or two tried at once.
    Used,
    /// It is the code, too late.
    Expired,
    /// It is not the code.
    Wrong,
    /// Nobody may try now, not even with the code.
    Locked {
        /// Until when.
        until: OffsetDateTime,
    },
}

impl EmailCode {
    /// Somebody asks for a code.
    ///
    /// # Errors
    /// Why not now; then nothing has changed.
    pub fn ask(&mut self, now: OffsetDateTime) -> Result<(), AskRefusal> {
        if let Some(until) = self.locked_until.filter(|until| *until > now) {
            return Err(AskRefusal::Locked { until });
        }
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

    /// A code was made and is about to be sent; the one before is worth nothing from here on.
    pub fn issue(&mut self, code_hash: [u8; 32], expires_at: OffsetDateTime) {
        self.code_hash = Some(code_hash.to_vec());
        self.code_expires_at = Some(expires_at);
        self.code_used_at = None;
        self.wrong_try_count = 0;
    }

    /// Somebody tries a code.
    pub fn check(&mut self, code_hash: &[u8; 32], now: OffsetDateTime) -> CodeCheck {
        if let Some(until) = self.locked_until {
            if until > now {
                return CodeCheck::Locked { until };
            }
            self.locked_until = None;
            self.wrong_try_count = 0;
        }
        let is_code = self.code_hash.as_deref().is_some_and(|hash| same(hash, code_hash));
        if !is_code {
            self.wrong_try_count += 1;
            if self.wrong_try_count >= TRIES {
                self.locked_until = Some(now + LOCKOUT);
            }
            return CodeCheck::Wrong;
        }
        if self.code_expires_at.is_none_or(|at| at <= now) {
            return CodeCheck::Expired;
        }
        if self.code_used_at.is_some() {
            return CodeCheck::Used;
        }
        self.code_used_at = Some(now);
        CodeCheck::Right
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const CODE: [u8; 32] = [1; 32];
    const OTHER: [u8; 32] = [2; 32];

    fn issued() -> EmailCode {
        let mut state = EmailCode::default();
        state.issue(CODE, START + Duration::minutes(15));
        state
    }

    #[test]
    fn the_right_code_works_once_and_its_repeat_is_known() {
        let mut state = issued();
        assert_eq!(state.check(&CODE, START), CodeCheck::Right);
        assert_eq!(state.check(&CODE, START), CodeCheck::Used);
    }

    #[test]
    fn a_code_ends_after_its_time() {
        let mut state = issued();
        assert_eq!(state.check(&CODE, START + Duration::minutes(15)), CodeCheck::Expired);
    }

    #[test]
    fn five_wrong_tries_lock_for_fifteen_minutes_even_the_right_code() {
        let mut state = issued();
        for _ in 0..5 {
            assert_eq!(state.check(&OTHER, START), CodeCheck::Wrong);
        }
        let until = START + Duration::minutes(15);
        assert_eq!(state.check(&CODE, START), CodeCheck::Locked { until });
        assert_eq!(state.ask(START), Err(AskRefusal::Locked { until }));
        assert_eq!(state.check(&OTHER, until), CodeCheck::Wrong);
        assert_eq!(state.wrong_try_count, 1);
    }

    #[test]
    fn a_new_code_makes_the_old_one_worthless() {
        let mut state = issued();
        state.issue(OTHER, START + Duration::minutes(15));
        assert_eq!(state.check(&CODE, START), CodeCheck::Wrong);
        assert_eq!(state.check(&OTHER, START), CodeCheck::Right);
    }

    #[test]
    fn a_code_is_asked_for_once_a_minute_and_five_times_a_day() {
        let mut state = EmailCode::default();
        let mut now = START;
        for _ in 0..5 {
            assert_eq!(state.ask(now), Ok(()));
            let until = now + Duration::minutes(1);
            assert_eq!(state.ask(now + Duration::seconds(59)), Err(AskRefusal::TooSoon { until }));
            now = until;
        }
        let until = START + Duration::hours(24);
        assert_eq!(state.ask(now), Err(AskRefusal::DailyLimit { until }));
        assert_eq!(state.ask(until), Ok(()));
    }

    #[test]
    fn an_address_without_code_answers_like_one_with() {
        let (mut unknown, mut known) = (EmailCode::default(), issued());
        for _ in 0..7 {
            assert_eq!(unknown.check(&OTHER, START), known.check(&OTHER, START));
        }
    }

    proptest! {
        /// Whatever is done at whatever time, in any day at most 5 codes are sent, and of 15 minutes at most 5 tries
        /// a code are evaluated.
        #[test]
        fn guesses_are_bounded(steps in prop::collection::vec((0u8..3, 0i64..1_200), 1..200)) {
            let mut state = EmailCode::default();
            let mut now = START;
            let mut asks: Vec<OffsetDateTime> = Vec::new();
            let mut wrong_since_code = 0;
            for (step, pause_secs) in steps {
                now += Duration::seconds(pause_secs);
                match step {
                    0 => if state.ask(now).is_ok() {
                        asks.push(now);
                        state.issue(CODE, now + Duration::minutes(15));
                        wrong_since_code = 0;
                    },
                    _ => match state.check(&OTHER, now) {
                        CodeCheck::Wrong => wrong_since_code += 1,
                        check => prop_assert!(matches!(check, CodeCheck::Locked { .. }), "locked"),
                    },
                }
                if state.code_expires_at.is_some_and(|at| at > now) {
                    prop_assert!(wrong_since_code <= TRIES);
                } else {
                    wrong_since_code = 0;
                }
            }
            for window in asks.windows(2) {
                prop_assert!(window[1] - window[0] >= ASK_PAUSE);
            }
            // A day that begins at its first ask: two days' worth can meet, never more.
            for at in &asks {
                let within = asks.iter().filter(|other| **other >= *at && **other < *at + DAY).count();
                prop_assert!(within < 2 * usize::try_from(ASKS_A_DAY).unwrap());
            }
        }
    }
}
