//! What a chat is. Pure.

mod chat;
mod direct_block;
mod direct_pair;
mod list_cursor;
mod pending_update;
mod posting_policy;

pub use chat::{Chat, ChatOfMember, Kind, UnknownKind};
pub use direct_block::{BlockState, BlockVersion, DirectBlock};
pub use direct_pair::DirectPair;
pub use list_cursor::{InvalidCursor, ListCursor};
pub use pending_update::PendingUpdate;
pub use posting_policy::{MembershipVersion, Posting, PostingPolicy};
