use godwit_kernel::UserId;
use time::OffsetDateTime;

use super::Role;

/// The most members of a group.
pub const GROUP_MEMBERS_MAX: u32 = 200_000;
/// The most admins of a chat, besides its owner: each is told of everybody who asks to be let in.
pub const ADMINS_MAX: u32 = 50;
/// Who is in so many chats, of whatever kind, is taken into no group or channel.
pub const CHATS_MAX: u32 = 10_000;

/// Somebody in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub joined_at: OffsetDateTime,
}

/// Somebody who may not join a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub user_id: UserId,
    /// Who said so.
    pub banned_by: UserId,
    /// When.
    pub banned_at: OffsetDateTime,
}

/// Why somebody is no longer in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// They left.
    Left,
    /// Somebody removed them.
    Removed,
    /// Somebody banned them.
    Banned,
    /// The chat is gone.
    ChatDeleted,
    /// The account is gone.
    AccountDeleted,
}

/// Why somebody could not be added to a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such person, or no longer.
    UserNotFound,
    /// One of the two blocks the other.
    Blocked,
    /// The other's privacy.
    Private,
    /// They are banned from the chat.
    Banned,
    /// The chat has as many members as may be.
    ChatFull,
    /// They are in as many chats as may be.
    TooManyChats,
}

impl Refusal {
    /// The stable name for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::Blocked => "BLOCKED",
            Self::Private => "PRIVACY",
            Self::Banned => "BANNED",
            Self::ChatFull => "CHAT_FULL",
            Self::TooManyChats => "TOO_MANY_CHATS",
        }
    }
}
