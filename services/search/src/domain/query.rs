use godwit_kernel::limits;

/// Why a text is no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// There are no words.
    #[error("is missing")]
    Missing,
    /// There are too many.
    #[error("has over {} characters", limits::SEARCH_QUERY_CHARS)]
    TooLong,
    /// No text in the database can have this character.
    #[error("has a NUL character")]
    Nul,
}

/// The words that are looked for, as a person types them: words joined by AND, "quoted words" as a phrase, -word
/// excludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(String);

impl Query {
    /// Checks the limits.
    ///
    /// # Errors
    /// When the text is blank or too long, or has a character that no text in the database can have.
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidQuery::Missing);
        }
        if text.chars().count() > limits::SEARCH_QUERY_CHARS {
            return Err(InvalidQuery::TooLong);
        }
        if text.contains('\0') {
            return Err(InvalidQuery::Nul);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_long_and_nul_queries_are_refused() {
        let long = "x".repeat(limits::SEARCH_QUERY_CHARS + 1);
        for (text, refusal) in [
            ("", InvalidQuery::Missing),
            (" \t", InvalidQuery::Missing),
            ("a\0b", InvalidQuery::Nul),
            (&long, InvalidQuery::TooLong),
        ] {
            assert_eq!(Query::parse(text), Err(refusal), "{text:?}");
        }
        assert_eq!(Query::parse(" two words ").unwrap().as_str(), "two words");
        assert!(Query::parse(&"ü".repeat(limits::SEARCH_QUERY_CHARS)).is_ok());
    }
}
