use godwit_kernel::{ChatId, UserId};
use time::OffsetDateTime;

use super::Kind;

/// Those of some people who are in a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// The chat.
    pub chat_id: ChatId,
    /// Its kind.
    pub kind: Kind,
    /// Of a group or channel.
    pub title: String,
    /// Whether who joins sees what was written before.
    pub is_history_visible: bool,
    /// In id order.
    pub listeners: Vec<Listener>,
}

/// A member, as far as it matters for telling them of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Who.
    pub user_id: UserId,
    /// Since when they are in the chat.
    pub joined_at: OffsetDateTime,
    /// Whether they have muted it now.
    pub is_muted: bool,
}
