//! What looking at an upload came to.

use super::ContentType;

/// Whether somebody looked for malware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Nobody did: no scanner is configured, or the object is larger than it takes.
    Unscanned,
    /// The scanner found nothing.
    Clean,
    /// The scanner found something.
    Infected,
}

impl Scan {
    /// Its name in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unscanned => "unscanned",
            Self::Clean => "clean",
            Self::Infected => "infected",
        }
    }

    /// The one of that name; what is not known counts as not scanned.
    pub fn from_name(name: &str) -> Self {
        match name {
            "clean" => Self::Clean,
            "infected" => Self::Infected,
            _ => Self::Unscanned,
        }
    }
}

/// Why an upload is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The object store has not all of its parts.
    Parts,
    /// The object has another size than the announced one.
    Size,
    /// The object has another checksum than the announced one.
    Checksum,
    /// What the bytes are may not be sent as what it was announced as.
    Type,
    /// The bytes are not a whole file of their type.
    Broken,
    /// More pixels, or a longer film, than is taken.
    Dimensions,
    /// The scanner found something.
    Malware,
    /// It could not be looked at, however often it was tried.
    Failed,
}

impl Rejection {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Parts,
        Self::Size,
        Self::Checksum,
        Self::Type,
        Self::Broken,
        Self::Dimensions,
        Self::Malware,
        Self::Failed,
    ];

    /// The stable name that clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parts => "PARTS_MISSING",
            Self::Size => "SIZE_MISMATCH",
            Self::Checksum => "CHECKSUM_MISMATCH",
            Self::Type => "TYPE_NOT_ALLOWED",
            Self::Broken => "FILE_BROKEN",
            Self::Dimensions => "DIMENSIONS_EXCEEDED",
            Self::Malware => "MALWARE_FOUND",
            Self::Failed => "PROCESSING_FAILED",
        }
    }

    /// The one of that name; a name of another release is a failure.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|rejection| rejection.as_str() == name).unwrap_or(Self::Failed)
    }
}

/// What was found in an upload, for clients to lay out before they fetch it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Pixels, as it is shown.
    pub width: Option<u32>,
    /// Pixels, as it is shown.
    pub height: Option<u32>,
    /// How long it plays.
    pub duration_ms: Option<u64>,
    /// A blurred preview (<https://blurha.sh>), 4 by 3 components.
    pub blurhash: Option<String>,
    /// 100 loudness values, 0 to 255; empty for what is no sound.
    pub waveform: Vec<u8>,
    /// There are thumbnails.
    pub has_thumbnails: bool,
    /// People get a copy without metadata.
    pub has_clean_copy: bool,
}

/// An upload that may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What the bytes are.
    pub content_type: ContentType,
    /// Of what people get.
    pub size_bytes: u64,
    /// Whether it was scanned; not infected.
    pub scan: Scan,
    /// What is in it.
    pub details: Details,
}

/// How looking at an upload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be fetched.
    Accepted(Box<Accepted>),
    /// It is not kept.
    Rejected(Rejection),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for rejection in Rejection::ALL {
            assert_eq!(Rejection::from_name(rejection.as_str()), rejection);
        }
        for scan in [Scan::Unscanned, Scan::Clean, Scan::Infected] {
            assert_eq!(Scan::from_name(scan.as_str()), scan);
        }
        assert_eq!(Rejection::from_name("OF_ANOTHER_RELEASE"), Rejection::Failed);
    }
}
