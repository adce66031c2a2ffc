use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::{ChatId, Entropy, UserId};
use std::fmt;
use time::{Duration, OffsetDateTime};

/// The most valid invites of a chat.
pub const INVITES_MAX: usize = 100;
/// The most people that wait for an answer of one chat.
pub const JOIN_REQUESTS_MAX: u32 = 10_000;
/// The most uses of an invite that has a bound.
const USES_MAX: u32 = 100_000;
const LIFE_MIN: Duration = Duration::MINUTE;
const LIFE_MAX: Duration = Duration::days(366);

/// The secret that lets somebody in: 128 random bits. Who has it may use it, so it is in no log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct InviteCode(String);

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(…)")
    }
}

impl InviteCode {
    /// A code that nobody can guess.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(URL_SAFE_NO_PAD.encode(entropy.bytes::<16>()))
    }

    /// The code, if the text has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let has_form =
            text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        has_form.then(|| Self(text.to_owned()))
    }

    /// As it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A way into a chat for who has the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// The code.
    pub code: InviteCode,
    /// Into which chat.
    pub chat_id: ChatId,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: OffsetDateTime,
    /// `None`: never.
    pub expires_at: Option<OffsetDateTime>,
    /// 0: any number.
    pub uses_max: u32,
    /// So many have used it.
    pub use_count: u32,
    /// Who comes by it waits for an answer.
    pub needs_approval: bool,
}

impl Invite {
    /// Whether somebody may still come by it.
    pub fn is_valid(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_none_or(|at| at > now) && (self.uses_max == 0 || self.use_count < self.uses_max)
    }
}

/// What somebody wants an invite to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InviteTerms {
    /// `None`: never.
    pub expires_at: Option<OffsetDateTime>,
    /// 0: any number.
    pub uses_max: u32,
    /// Who comes by it waits for an answer.
    pub needs_approval: bool,
}

impl InviteTerms {
    /// What is wrong with them, by field, for people.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), (&'static str, &'static str)> {
        let is_in_time = |at: OffsetDateTime| (LIFE_MIN..=LIFE_MAX).contains(&(at - now));
        if !self.expires_at.is_none_or(is_in_time) {
            return Err(("expires_at", "must be at least a minute and at most 366 days ahead"));
        }
        if self.uses_max > USES_MAX {
            return Err(("uses_max", "must be at most 100000"));
        }
        Ok(())
    }
}

/// Somebody who waits to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// Who.
    pub user_id: UserId,
    /// Since when.
    pub requested_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;

    use super::*;

    #[test]
    fn a_code_has_its_form_and_shows_in_no_log() {
        let code = InviteCode::generate(&SystemEntropy);
        assert_eq!(InviteCode::parse(code.as_str()), Some(code.clone()));
        assert!(!format!("{code:?}").contains(code.as_str()));
        for text in ["", "x", &"é".repeat(11), &"a".repeat(23), "aaaaaaaaaaaaaaaaaaaaa'"] {
            assert_eq!(InviteCode::parse(text), None, "{text}");
        }
    }
}
