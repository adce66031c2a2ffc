use godwit_kernel::{ChatId, UserId};
use time::OffsetDateTime;

/// What kind of conversation a chat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Exactly two people.
    Direct,
}

impl Kind {
    /// The stored form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
        }
    }

    /// The kind of a stored form.
    ///
    /// # Errors
    /// When it was stored by another version.
    pub fn from_store(text: &str) -> Result<Self, UnknownKind> {
        match text {
            "direct" => Ok(Self::Direct),
            _ => Err(UnknownKind),
        }
    }
}

/// A stored chat is of a kind that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored chat is of an unknown kind")]
pub struct UnknownKind;

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// Its id.
    pub id: ChatId,
    /// Its kind.
    pub kind: Kind,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A chat as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatOfMember {
    /// The chat.
    pub chat: Chat,
    /// The other party of a direct chat.
    pub peer_id: Option<UserId>,
}
