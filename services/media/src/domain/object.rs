use godwit_kernel::MediaId;

/// One of the objects that belong to an upload. Their keys follow from its id, so making one twice leaves one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// As it was uploaded.
    Upload,
    /// Without metadata: what people get.
    CleanCopy,
    /// A small picture.
    Thumbnail(ThumbnailSize),
}

impl Object {
    /// All that are made of an upload.
    pub const DERIVED: [Self; 5] = [
        Self::CleanCopy,
        Self::Thumbnail(ThumbnailSize::Small),
        Self::Thumbnail(ThumbnailSize::Medium),
        Self::Thumbnail(ThumbnailSize::Large),
        Self::Thumbnail(ThumbnailSize::Square),
    ];

    /// Where its bytes are in the bucket. The prefix spreads the objects over 256 folders.
    pub fn key(self, id: MediaId) -> String {
        let id = id.as_uuid();
        let [.., last] = *id.as_bytes();
        format!("{last:02x}/{id}{}", self.suffix())
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Upload => "",
            Self::CleanCopy => ".clean",
            Self::Thumbnail(ThumbnailSize::Small) => ".small.webp",
            Self::Thumbnail(ThumbnailSize::Medium) => ".medium.webp",
            Self::Thumbnail(ThumbnailSize::Large) => ".large.webp",
            Self::Thumbnail(ThumbnailSize::Square) => ".square.webp",
        }
    }
}

/// Which thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThumbnailSize {
    /// For lists.
    Small,
    /// For chats.
    Medium,
    /// For the whole screen.
    Large,
    /// The middle of the picture, for avatars.
    Square,
}

impl ThumbnailSize {
    /// All of them, the largest first.
    pub const ALL: [Self; 4] = [Self::Large, Self::Medium, Self::Square, Self::Small];

    /// The longest side, or each side of a square, in pixels; smaller pictures are not made larger.
    pub const fn pixels(self) -> u32 {
        match self {
            Self::Small => 160,
            Self::Square => 320,
            Self::Medium => 480,
            Self::Large => 1280,
        }
    }
}
