//! Who is in a group or channel, and in which role.

mod add_members;
mod ban_user;
mod change_role;
mod leave_chat;
mod list_bans;
mod list_chat_members;
mod remove_member;
mod transfer_ownership;
mod unban_user;

pub use add_members::AddedMembers;
pub use list_bans::BanView;
pub use list_chat_members::{MemberView, UsersPage};

pub(super) use list_chat_members::take;
