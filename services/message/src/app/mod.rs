//! What the service does, one use case a file, and what they stand on: the [`Appenders`] (group commit), the
//! [`Publisher`] (what follows a commit) and the [`PostingPolicies`] (permission without an RPC).

mod append_update;
mod appenders;
mod get_heads;
mod get_message;
mod list_messages;
mod log_updates;
mod posting_policies;
mod publisher;
mod raise_membership_version;
mod room;
mod send_message;
mod sweep_outbox;
mod sync_account;
mod sync_chat;

pub use append_update::AppendUpdate;
pub use appenders::{AppenderOptions, Appenders, Committing};
pub use list_messages::ListMessages;
pub use posting_policies::PostingPolicies;
pub use publisher::{Committed, Publisher};
pub use send_message::SendMessage;
pub use sweep_outbox::Sweeper;
pub use sync_account::AccountPage;
pub use sync_chat::{ChatCursor, ChatPage};

use godwit_pg::Pool;

use crate::clients::Chats;

/// What every use case works with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// The chat service.
    pub chats: Chats,
    /// What users may do in chats.
    pub policies: PostingPolicies,
    /// The writers of the logs.
    pub appenders: Appenders,
}
