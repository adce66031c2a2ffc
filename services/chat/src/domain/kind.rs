/// What kind of conversation a chat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Exactly two people.
    Direct,
    /// What one person keeps for themselves; its id is theirs.
    Saved,
    /// Written and read by its members.
    Group,
    /// Written by its owner and admins, read by its subscribers.
    Channel,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Saved, Self::Group, Self::Channel];

    /// The stored form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Saved => "saved",
            Self::Group => "group",
            Self::Channel => "channel",
        }
    }

    /// The kind of a stored form.
    ///
    /// # Errors
    /// When it was stored by another version.
    pub fn from_store(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownName("kind"))
    }

    /// Whether people come to it and go from it.
    pub const fn has_members_that_come_and_go(self) -> bool {
        matches!(self, Self::Group | Self::Channel)
    }
}

/// A stored word is one that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored {0} is unknown")]
pub struct UnknownName(pub &'static str);
