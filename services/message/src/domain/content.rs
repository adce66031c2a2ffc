use std::fmt;

use godwit_kernel::{MediaId, MessageId, limits};
use sha2::{Digest as _, Sha256};

/// The text breaks a rule; the message says which, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub &'static str);

/// What a message says: 1 to 4096 characters, not only white space, and no NUL, which PostgreSQL cannot store. Beside
/// attachments it may be empty.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText(String);

impl MessageText {
    /// The text, if it may be sent by itself.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(text: String) -> Result<Self, Violation> {
        if text.trim().is_empty() {
            return Err(Violation("must not be empty or only white space"));
        }
        Self::parse_caption(text)
    }

    /// The text, if it may be sent beside attachments.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse_caption(text: String) -> Result<Self, Violation> {
        if text.chars().nth(limits::MESSAGE_TEXT_CHARS).is_some() {
            return Err(Violation("must have at most 4096 characters"));
        }
        if !text.is_empty() && text.trim().is_empty() {
            return Err(Violation("must not be only white space"));
        }
        if text.contains('\0') {
            return Err(Violation("must not contain the character NUL"));
        }
        Ok(Self(text))
    }

    /// A text that was parsed before it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells how long it is, and not what it says.
impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.0.len())
    }
}

/// What a sender calls a message, so that a resend is known: 1 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientMessageId(String);

impl ClientMessageId {
    /// The id, if it is one.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(text: String) -> Result<Self, Violation> {
        if text.is_empty() || text.len() > limits::CLIENT_MESSAGE_ID_BYTES {
            return Err(Violation("must have 1 to 64 characters"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            return Err(Violation("must consist of A-Z a-z 0-9 _ -"));
        }
        Ok(Self(text))
    }

    /// An id that was parsed before it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells a resend from another message under the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash([u8; 32]);

/// All that a sender chooses of a message besides its text, in the order in which it is hashed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen<'a> {
    /// One canonical line for each part of the text with a meaning.
    pub entities: &'a [String],
    /// The attachments.
    pub media_ids: &'a [MediaId],
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// What it is a copy of.
    pub forwarded_from: Option<&'a str>,
    /// Recipients are not alerted.
    pub is_silent: bool,
}

impl ContentHash {
    /// SHA-256 of a text that is all there is.
    pub fn of(text: &MessageText) -> Self {
        Self::of_all(text.as_str(), Chosen::default())
    }

    /// SHA-256 over all that the sender chose. What joins the text is hashed behind it, each part after its name and its
    /// length, and only when it is there, so that the hash of a plain text never changes.
    pub fn of_all(text: &str, chosen: Chosen<'_>) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(text.as_bytes());
        for entity in chosen.entities {
            part(b"entity");
            part(entity.as_bytes());
        }
        for media_id in chosen.media_ids {
            part(b"media");
            part(media_id.as_bytes());
        }
        if let Some(reply_to) = chosen.reply_to {
            part(b"reply");
            part(reply_to.to_string().as_bytes());
        }
        if let Some(origin) = chosen.forwarded_from {
            part(b"forward");
            part(origin.as_bytes());
        }
        if chosen.is_silent {
            part(b"silent");
        }
        Self(hash.finalize().into())
    }

    /// A hash that was stored; `None` when it has another length.
    pub fn from_store(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_4096_characters_of_any_width_is_taken() {
        for one in ["a", "é", "猫", "🐦"] {
            assert!(MessageText::parse(one.repeat(4_096)).is_ok(), "{one}");
            assert!(MessageText::parse(one.repeat(4_097)).is_err(), "{one}");
        }
    }

    #[test]
    fn a_text_without_anything_to_read_is_refused() {
        for text in ["", " ", "\n\t", "\u{2003}", "a\0b"] {
            assert!(MessageText::parse(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_client_message_id_is_1_to_64_url_safe_characters() {
        for text in ["a", "A-z_09", &"x".repeat(64)] {
            assert!(ClientMessageId::parse(text.to_owned()).is_ok(), "{text:?}");
        }
        for text in ["", "a b", "ä", "a\0", "a/b", &"x".repeat(65)] {
            assert!(ClientMessageId::parse(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn other_content_has_another_hash() {
        let hash = |text: &str| ContentHash::of(&MessageText::parse(text.to_owned()).unwrap());
        assert_eq!(hash("hello"), hash("hello"));
        assert_ne!(hash("hello"), hash("hello "));
        assert_eq!(ContentHash::from_store(hash("a").as_bytes()), Some(hash("a")));
        assert_eq!(ContentHash::from_store(b"short"), None);
    }

    #[test]
    fn all_that_was_chosen_is_hashed_and_a_plain_text_as_ever() {
        let text = MessageText::parse("hello".to_owned()).unwrap();
        let media_ids = [MediaId::from_uuid(uuid::Uuid::nil())];
        let entities = ["bold".to_owned()];
        let plain = Chosen::default();
        let chosen = [
            plain,
            Chosen { entities: &entities, ..plain },
            Chosen { media_ids: &media_ids, ..plain },
            Chosen { reply_to: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB".parse().ok(), ..plain },
            Chosen { forwarded_from: Some("x"), ..plain },
            Chosen { is_silent: true, ..plain },
        ];
        let hashes: std::collections::BTreeSet<[u8; 32]> =
            chosen.iter().map(|chosen| *ContentHash::of_all(text.as_str(), *chosen).as_bytes()).collect();
        assert_eq!(hashes.len(), chosen.len());
        let bare = Sha256::new().chain_update(5_u64.to_be_bytes()).chain_update(b"hello").finalize();
        assert_eq!(ContentHash::of(&text).as_bytes().as_slice(), bare.as_slice());
    }

    #[test]
    fn a_caption_may_be_empty_and_no_text_shows_in_a_log() {
        assert!(MessageText::parse_caption(String::new()).is_ok());
        assert!(MessageText::parse_caption(" ".to_owned()).is_err());
        let text = MessageText::parse("secret".to_owned()).unwrap();
        assert!(!format!("{text:?}").contains("secret"));
    }
}
