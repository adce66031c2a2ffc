use std::fmt;

use email_address::{EmailAddress, Options};
use godwit_kernel::{MediaId, UserId, limits};
use time::OffsetDateTime;

use super::{Problem, Username};

/// An e-mail address in its one spelling here: lower case, ASCII, with a domain of two labels or more.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.len() > limits::EMAIL_BYTES {
            return Err("must be at most 254 bytes");
        }
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        // A quoted local part may hold anything, line breaks of a mail header included.
        if !text.is_ascii() || text.contains('"') || EmailAddress::parse_with_options(text, options).is_err() {
            return Err("must be an e-mail address");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// As it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Addresses must not reach logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// What others see as a person's name: 1 to 64 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Reads what a person typed; space around it is taken off.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > limits::DISPLAY_NAME_CHARS {
            return Err("must be 1 to 64 characters long");
        }
        if text.chars().any(char::is_control) {
            return Err("must not hold control characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a person says of themselves: at most 256 characters, no control characters but line feeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bio(String);

impl Bio {
    /// Reads what a person typed; space around it is taken off.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.chars().count() > limits::BIO_CHARS {
            return Err("must be at most 256 characters long");
        }
        if text.chars().any(|char| char.is_control() && char != '\n') {
            return Err("must not hold control characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A password that bcrypt reads to its last byte.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Reads a password that is to be set.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: String) -> Result<Self, Problem> {
        if text.chars().count() < limits::PASSWORD_MIN_CHARS {
            return Err("must be at least 8 characters long");
        }
        Self::attempt(text)
    }

    /// Reads a password that is to be compared: also one too short to be set.
    ///
    /// # Errors
    /// When no password that was set can be equal to it.
    pub fn attempt(text: String) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err("must not be empty");
        }
        if text.len() > limits::PASSWORD_MAX_BYTES {
            return Err("must be at most 72 bytes long");
        }
        // bcrypt repeats the password with a NUL between: "a" and "a\0a" would be the same.
        if text.contains('\0') {
            return Err("must not hold a NUL character");
        }
        Ok(Self(text))
    }

    /// The text, for the rules of what may be one.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A person as others may see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Unique, folded.
    pub username: Username,
    /// What others read.
    pub display_name: DisplayName,
    /// When the e-mail address was confirmed.
    pub created_at: OffsetDateTime,
    /// What the person says of themselves.
    pub bio: Bio,
    /// Their picture, kept by the media service.
    pub avatar_id: Option<MediaId>,
    /// The account is gone for others, for good or for now.
    pub is_deleted: bool,
}

/// An account that waits for its code.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Whose.
    pub email: Email,
    /// Held until the registration ends.
    pub username: Username,
    /// What others will read.
    pub display_name: DisplayName,
    /// bcrypt.
    pub password_hash: String,
    /// When it ends unless it is confirmed.
    pub expires_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_email_has_one_spelling() {
        assert_eq!(Email::parse(" Ada.Lovelace@Example.ORG ").unwrap().as_str(), "ada.lovelace@example.org");
    }

    #[test]
    fn what_is_no_email_is_refused() {
        let long = format!("{}@example.org", "a".repeat(64) + &".b".repeat(100));
        for text in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "Ada <ada@example.org>",
            "\"a b\"@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "ädä@example.org",
            &long,
        ] {
            assert!(Email::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bio_is_bounded_and_may_have_lines() {
        assert_eq!(Bio::parse(" one\ntwo ").unwrap().as_str(), "one\ntwo");
        assert!(Bio::parse(&"ä".repeat(256)).is_ok());
        assert!(Bio::parse(&"ä".repeat(257)).is_err());
        assert!(Bio::parse("a\0b").is_err());
    }

    #[test]
    fn a_password_is_refused_not_truncated() {
        assert!(Password::parse("x".repeat(72)).is_ok());
        assert!(Password::parse("x".repeat(73)).is_err());
        assert!(Password::parse("ä".repeat(37)).is_err());
        assert!(Password::parse("1234567".to_owned()).is_err());
        assert!(Password::parse("äöüäöüäö".to_owned()).is_ok());
        assert!(Password::parse("abcd\0abcd".to_owned()).is_err());
    }

    #[test]
    fn secrets_and_addresses_have_no_debug_text() {
        let password = Password::parse("correct horse".to_owned()).unwrap();
        let email = Email::parse("ada@example.org").unwrap();
        assert_eq!(format!("{password:?} {email:?}"), "Password(…) Email(…)");
    }

    proptest! {
        #[test]
        fn parsing_is_stable(text in "\\PC{0,80}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
            if let Ok(bio) = Bio::parse(&text) {
                prop_assert_eq!(Bio::parse(bio.as_str()).unwrap(), bio);
            }
            if let Ok(name) = DisplayName::parse(&text) {
                prop_assert_eq!(DisplayName::parse(name.as_str()).unwrap(), name);
            }
        }
    }
}
