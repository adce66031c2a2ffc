//! What a chat is, and who may do what in it. Pure.

mod chat;
mod direct_block;
mod direct_pair;
mod draft;
mod folder;
mod info;
mod invite;
mod kind;
mod list_cursor;
mod listeners;
mod member;
mod pending_update;
mod posting_policy;
mod rights;
mod role;

pub use chat::{Chat, ChatOfMember, Mute, Settings};
pub use direct_block::{BlockState, BlockVersion, DirectBlock};
pub use direct_pair::DirectPair;
pub use draft::{Draft, check_draft_spans, check_draft_text};
pub use folder::{FOLDERS_MAX, Folder, FolderId, check_folder_chats, folder_title};
pub use info::{Description, Handle, Info, InfoChanges, Problem, SlowMode, Title, WhoMayPost};
pub use invite::{INVITES_MAX, Invite, InviteCode, InviteTerms, JOIN_REQUESTS_MAX, JoinRequest};
pub use kind::{Kind, UnknownName};
pub use list_cursor::{IdCursor, InvalidCursor, TimeCursor};
pub use listeners::{Listener, Listeners};
pub use member::{ADMINS_MAX, Ban, CHATS_MAX, Cause, GROUP_MEMBERS_MAX, Member, Refusal};
pub use pending_update::PendingUpdate;
pub use posting_policy::{MembershipVersion, PostingPolicy};
pub use rights::{Right, Standing, When, markdown as rights_markdown};
pub use role::Role;
