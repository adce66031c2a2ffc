use godwit_kernel::{ChatId, Seq, UserId};

use super::text::{lower_case, without_accents};

/// The most characters of a name that is looked for.
pub const NAME_QUERY_CHARS: usize = 64;

/// Why a text is no name to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// There is none.
    #[error("is missing")]
    Missing,
    /// It is too long.
    #[error("has over {NAME_QUERY_CHARS} characters")]
    TooLong,
    /// No name can have this character.
    #[error("has a NUL character")]
    Nul,
}

/// A name, or a part of one, that is looked for: in lower case, without accents and without the @ of a handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameQuery(String);

impl NameQuery {
    /// Checks the limits.
    ///
    /// # Errors
    /// When the text is blank or too long, or has a character that no name can have.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.chars().count() > NAME_QUERY_CHARS {
            return Err(InvalidName::TooLong);
        }
        if text.contains('\0') {
            return Err(InvalidName::Nul);
        }
        let name = folded(text.trim().trim_start_matches('@').trim());
        if name.is_empty() { Err(InvalidName::Missing) } else { Ok(Self(name)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A person as they are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonEntry {
    /// Who.
    pub user_id: UserId,
    /// In lower case.
    pub username: String,
    /// Username and display name, folded.
    pub names: String,
}

/// A channel as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelEntry {
    /// Which.
    pub chat_id: ChatId,
    /// Of the update that says so.
    pub version: Seq,
    /// Empty when it is not public.
    pub handle: String,
    /// Handle and title, folded.
    pub names: String,
}

/// A name as it is compared.
pub fn folded(name: &str) -> String {
    without_accents(&lower_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_without_case_accents_and_at() {
        assert_eq!(NameQuery::parse(" @Köln ").unwrap().as_str(), "koln");
        for (text, refusal) in [
            ("", InvalidName::Missing),
            (" @ ", InvalidName::Missing),
            ("a\0", InvalidName::Nul),
            (&"x".repeat(NAME_QUERY_CHARS + 1), InvalidName::TooLong),
        ] {
            assert_eq!(NameQuery::parse(text), Err(refusal), "{text:?}");
        }
    }
}
