/// What a message brings besides its words. The numbers are in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An image.
    Photo = 1,
    /// A film.
    Video = 2,
    /// A voice message: sound as telephones record it.
    Voice = 3,
    /// Any other sound.
    Audio = 4,
    /// Any other attachment.
    File = 5,
    /// A link in its text or under it.
    Link = 6,
}

impl Kind {
    /// Of an attachment of this type.
    pub fn of_content_type(content_type: &str) -> Self {
        let (group, name) = content_type.split_once('/').unwrap_or_default();
        let name = name.split(';').next().unwrap_or_default().trim();
        match group {
            "image" => Self::Photo,
            "video" => Self::Video,
            "audio" if matches!(name, "ogg" | "opus" | "webm") => Self::Voice,
            "audio" => Self::Audio,
            _ => Self::File,
        }
    }

    /// Whether a text has a link in it.
    pub fn has_link(text: &str) -> bool {
        ["https://", "http://"].iter().any(|scheme| text.contains(scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_of_the_kind_of_its_type() {
        for (content_type, kind) in [
            ("image/webp", Kind::Photo),
            ("video/mp4", Kind::Video),
            ("audio/ogg; codecs=opus", Kind::Voice),
            ("audio/mpeg", Kind::Audio),
            ("application/pdf", Kind::File),
            ("", Kind::File),
        ] {
            assert_eq!(Kind::of_content_type(content_type), kind, "{content_type}");
        }
    }
}
