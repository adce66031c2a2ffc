use godwit_kernel::limits;
use godwit_rpc::InvalidField;

/// The words that are looked for, as a person types them: words joined by AND, "quoted words" as a phrase, -word
/// excludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(String);

impl Query {
    /// Checks the limits.
    ///
    /// # Errors
    /// When the text is blank or too long, or has a character that no text in the database can have.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidField::new("q", "is missing"));
        }
        if text.chars().count() > limits::SEARCH_QUERY_CHARS {
            return Err(InvalidField::new("q", format!("has over {} characters", limits::SEARCH_QUERY_CHARS)));
        }
        if text.contains('\0') {
            return Err(InvalidField::new("q", "has a NUL character"));
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
        for text in ["", " \t", "a\0b", &"x".repeat(limits::SEARCH_QUERY_CHARS + 1)] {
            assert_eq!(Query::parse(text).unwrap_err().field, "q", "{text:?}");
        }
        assert_eq!(Query::parse(" two words ").unwrap().as_str(), "two words");
        assert!(Query::parse(&"ü".repeat(limits::SEARCH_QUERY_CHARS)).is_ok());
    }
}
