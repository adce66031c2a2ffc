//! Ways into a chat for who has a code.

mod answer_join_request;
mod create_invite;
mod get_invite;
mod join_by_invite;
mod list_invites;
mod list_join_requests;
mod revoke_invites;

pub use get_invite::InviteView;
pub use join_by_invite::Joining;
pub use list_join_requests::{RequestView, RequestsPage};
