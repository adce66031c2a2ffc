use super::{CONTENT_TYPE_BYTES, Violation};

/// A media type with parameters (RFC 9110, section 8.3.1), in one spelling: `audio/ogg; codecs=opus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(String);

impl ContentType {
    /// The content type, if the text is one: `type/subtype` and parameters with unquoted values, at most 127 bytes.
    /// Type, subtype and parameter names are folded to lower case.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        const SYNTAX: Violation = Violation("must be a media type such as image/jpeg");
        if text.is_empty() || text.len() > CONTENT_TYPE_BYTES {
            return Err(Violation("must have 1 to 127 bytes"));
        }
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next().and_then(|essence| essence.trim().split_once('/')).ok_or(SYNTAX)?;
        if !is_token(kind) || !is_token(subtype) {
            return Err(SYNTAX);
        }
        let mut normal = format!("{}/{}", kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
        for parameter in parts {
            let (name, value) = parameter.trim().split_once('=').ok_or(SYNTAX)?;
            if !is_token(name) || !is_token(value) {
                return Err(SYNTAX);
            }
            normal.push_str("; ");
            normal.push_str(&name.to_ascii_lowercase());
            normal.push('=');
            normal.push_str(value);
        }
        // "a/b;c=d" grows by a space a parameter.
        if normal.len() > CONTENT_TYPE_BYTES {
            return Err(Violation("must have 1 to 127 bytes"));
        }
        Ok(Self(normal))
    }

    /// The content type that was parsed before it was stored.
    pub const fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a browser may show it in place: media without scripts. HTML, SVG, XML, PDF and whatever else may run
    /// code in the store's origin are saved, not shown.
    pub fn is_shown_inline(&self) -> bool {
        self.is_image() || self.essence().starts_with("audio/") || self.essence().starts_with("video/")
    }

    /// Whether it is a picture that every client can show: of pixels, without scripts.
    pub fn is_image(&self) -> bool {
        let essence = self.essence();
        matches!(essence, "image/jpeg" | "image/png" | "image/gif" | "image/webp" | "image/avif" | "image/heic")
    }

    /// Without parameters.
    pub fn essence(&self) -> &str {
        self.0.split(';').next().unwrap_or_default()
    }
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_have_one_spelling() {
        for (text, normal) in [
            ("image/jpeg", "image/jpeg"),
            ("Image/JPEG", "image/jpeg"),
            ("audio/webm;codecs=Opus", "audio/webm; codecs=Opus"),
            ("text/plain ; Charset=utf-8", "text/plain; charset=utf-8"),
            ("application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
        ] {
            assert_eq!(ContentType::parse(text).unwrap().as_str(), normal);
            assert_eq!(ContentType::parse(normal).unwrap().as_str(), normal);
        }
    }

    #[test]
    fn what_is_no_content_type_is_refused() {
        let long = format!("a/{}", "b".repeat(126));
        for text in [
            "",
            "image",
            "/jpeg",
            "image/",
            "a/b/c",
            "image/jpeg\r\nx: y",
            "a/b;",
            "a/b; c",
            "a/b; c=\"d\"",
            "ä/b",
            &long,
        ] {
            assert!(ContentType::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_may_run_scripts_is_never_shown_inline() {
        for text in ["text/html", "image/svg+xml", "application/pdf", "application/xhtml+xml", "text/plain"] {
            assert!(!ContentType::parse(text).unwrap().is_shown_inline(), "{text}");
        }
        for text in ["image/png", "video/mp4", "audio/ogg; codecs=opus"] {
            assert!(ContentType::parse(text).unwrap().is_shown_inline(), "{text}");
        }
    }
}
