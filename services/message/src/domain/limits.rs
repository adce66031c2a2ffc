//! Limits of messages, from the contract. Texts count Unicode scalar values unless a name says bytes.

use time::Duration;

/// Parts of one text with a meaning.
pub const ENTITIES_MAX: usize = 100;
/// A link under a text.
pub const LINK_URL_BYTES: usize = 2_048;
/// The name of a programming language.
pub const CODE_LANGUAGE_BYTES: usize = 32;
/// Files sent with one message.
pub const ATTACHMENTS_MAX: usize = 10;
/// What a reply shows of what it answers.
pub const REPLY_SNIPPET_CHARS: usize = 200;
/// One emoji.
pub const EMOJI_BYTES: usize = 32;
/// Different emoji of one message.
pub const REACTION_KINDS_MAX: usize = 20;
/// For how long a message may be edited.
pub const EDIT_WINDOW: Duration = Duration::hours(48);
/// How often a message may be edited.
pub const EDITS_MAX: u32 = 100;
/// Pinned messages of one chat.
pub const PINS_MAX: usize = 50;
/// Unread messages are counted up to here.
pub const UNREAD_MAX: u32 = 10_000;
/// Replies whose snippets are emptied in the transaction that deletes what they answer.
pub const REPLIES_PER_DELETION: i64 = 500;
/// Ids to be ranked at once.
pub const RANKED_CHATS_MAX: usize = 10_000;
/// Places of a ranking.
pub const RANKS_MAX: u32 = 201;
