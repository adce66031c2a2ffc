use std::fmt;

use super::Violation;

/// Characters of what a person says beside a report.
const COMMENT_CHARS: usize = 512;

/// Why a message is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportReason {
    /// Nobody asked for it.
    Spam,
    /// It shows or threatens violence.
    Violence,
    /// It torments somebody.
    Harassment,
    /// It harms children.
    ChildAbuse,
    /// It is against the law.
    Illegal,
    /// The comment says.
    Other,
}

/// What a person says beside a report: at most 512 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct ReportComment(String);

impl ReportComment {
    /// The comment, if it may be one.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(text: String) -> Result<Self, Violation> {
        if text.chars().nth(COMMENT_CHARS).is_some() {
            return Err(Violation("must have at most 512 characters"));
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells how long it is, and not what it says.
impl fmt::Debug for ReportComment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReportComment({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_at_most_512_characters() {
        assert!(ReportComment::parse("é".repeat(512)).is_ok() && ReportComment::parse(String::new()).is_ok());
        assert!(ReportComment::parse("é".repeat(513)).is_err());
        assert!(!format!("{:?}", ReportComment::parse("secret".to_owned()).unwrap()).contains("secret"));
    }
}
