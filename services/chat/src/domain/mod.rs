//! What a chat is. Pure.

mod chat;
mod direct_pair;
mod list_cursor;
mod posting_policy;

pub use chat::{Chat, ChatOfMember, Kind, UnknownKind};
pub use direct_pair::DirectPair;
pub use list_cursor::{InvalidCursor, ListCursor};
pub use posting_policy::{MembershipVersion, PostingPolicy};
