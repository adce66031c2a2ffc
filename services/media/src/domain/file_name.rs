use super::{FILE_NAME_BYTES, Violation};

/// The name that a file had on its owner's device: shown to people and offered when the file is saved, never a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// The name, if it is one: 1 to 255 bytes, no path separator, no control character, and none of the Unicode
    /// direction overrides that make `gpj.exe` look like `exe.jpg`.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(text: String) -> Result<Self, Violation> {
        if text.is_empty() || text.len() > FILE_NAME_BYTES {
            return Err(Violation("must have 1 to 255 bytes"));
        }
        if text == "." || text == ".." || text.contains(['/', '\\']) {
            return Err(Violation("must be a name without a path"));
        }
        if text.chars().any(|c| c.is_control() || is_direction_override(c)) {
            return Err(Violation("must not contain control characters"));
        }
        Ok(Self(text))
    }

    /// The name that was parsed before it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The embeddings, overrides and isolates of the Unicode bidirectional algorithm (UAX #9).
const fn is_direction_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_taken_as_they_are() {
        for name in ["a", "holiday photo.jpg", "Отчёт (2).pdf", "猫.png", ".profile", "a..b"] {
            assert_eq!(FileName::parse(name.to_owned()).unwrap().as_str(), name);
        }
        assert!(FileName::parse("x".repeat(255)).is_ok());
    }

    #[test]
    fn paths_and_characters_that_deceive_are_refused() {
        let long = "x".repeat(256);
        for name in ["", ".", "..", "a/b", "a\\b", "a\0b", "a\nb", "\u{202e}gpj.exe", "a\u{2066}b", &long] {
            assert!(FileName::parse(name.to_owned()).is_err(), "{name:?}");
        }
    }
}
