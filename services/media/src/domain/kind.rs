use super::ContentType;

/// What an upload is to people, which decides what may be in it and what is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A picture that is shown in the chat.
    Image,
    /// A film with or without sound.
    Video,
    /// A short film of the sender, shown round.
    VideoNote,
    /// What somebody said.
    Voice,
    /// Music and other recordings.
    Audio,
    /// Any file; kept as it is and only ever saved, never shown in place.
    Document,
}

const MEBIBYTE: u64 = 1024 * 1024;

const IMAGES: &[&str] = &["image/jpeg", "image/png", "image/gif", "image/webp"];
const VIDEOS: &[&str] = &["video/mp4", "video/quicktime", "video/webm", "video/x-matroska"];
const VIDEO_NOTES: &[&str] = &["video/mp4", "video/webm"];
// Containers that may hold sound alone are told apart from films by what is in them, later.
const VOICES: &[&str] = &["audio/ogg", "audio/mp4", "audio/mpeg", "audio/webm", "video/mp4", "video/webm"];
const SOUNDS: &[&str] = &[
    "audio/ogg",
    "audio/mp4",
    "audio/mpeg",
    "audio/webm",
    "audio/flac",
    "audio/wav",
    "audio/aac",
    "video/mp4",
    "video/webm",
];

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Image, Self::Video, Self::VideoNote, Self::Voice, Self::Audio, Self::Document];

    /// What a file of an announced type is to people when its owner does not say: what can be neither shown nor played
    /// is a document.
    pub fn of(content_type: &ContentType) -> Self {
        let essence = content_type.essence();
        match essence.split('/').next() {
            Some("image") if IMAGES.contains(&essence) => Self::Image,
            Some("video") if VIDEOS.contains(&essence) => Self::Video,
            Some("audio") if SOUNDS.contains(&essence) => Self::Audio,
            _ => Self::Document,
        }
    }

    /// Whether bytes that were found to be of this type may be sent as this kind.
    pub fn admits(self, found: &ContentType) -> bool {
        self.list().is_none_or(|list| list.contains(&found.essence()))
    }

    /// The most bytes.
    pub const fn max_bytes(self) -> u64 {
        match self {
            Self::Image => 32 * MEBIBYTE,
            Self::VideoNote | Self::Voice => 128 * MEBIBYTE,
            Self::Video | Self::Audio | Self::Document => 2048 * MEBIBYTE,
        }
    }

    /// The most milliseconds that it may play.
    pub const fn max_duration_ms(self) -> u64 {
        const MINUTE_MS: u64 = 60_000;
        match self {
            Self::VideoNote => 5 * MINUTE_MS,
            Self::Voice => 240 * MINUTE_MS,
            Self::Image | Self::Video | Self::Audio | Self::Document => 24 * 60 * MINUTE_MS,
        }
    }

    /// Its name in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::VideoNote => "video_note",
            Self::Voice => "voice",
            Self::Audio => "audio",
            Self::Document => "document",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What may be in it; `None` for anything.
    pub const fn list(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Image => Some(IMAGES),
            Self::Video => Some(VIDEOS),
            Self::VideoNote => Some(VIDEO_NOTES),
            Self::Voice => Some(VOICES),
            Self::Audio => Some(SOUNDS),
            Self::Document => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_type(text: &str) -> ContentType {
        ContentType::parse(text).unwrap()
    }

    #[test]
    fn what_can_be_neither_shown_nor_played_is_a_document() {
        for (text, kind) in [
            ("image/jpeg", Kind::Image),
            ("image/svg+xml", Kind::Document),
            ("image/heic", Kind::Document),
            ("video/mp4", Kind::Video),
            ("audio/ogg; codecs=opus", Kind::Audio),
            ("text/html", Kind::Document),
        ] {
            assert_eq!(Kind::of(&content_type(text)), kind, "{text}");
        }
    }

    #[test]
    fn a_kind_admits_its_own_types_only() {
        assert!(Kind::Image.admits(&content_type("image/png")));
        assert!(!Kind::Image.admits(&content_type("text/html")));
        assert!(!Kind::Video.admits(&content_type("image/gif")));
        assert!(!Kind::Voice.admits(&content_type("video/quicktime")));
        assert!(Kind::Document.admits(&content_type("application/x-executable")));
    }

    #[test]
    fn names_are_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::from_name("film"), None);
    }
}
