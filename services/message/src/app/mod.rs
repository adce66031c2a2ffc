//! What the service does, one use case a file, and what they stand on: the [`Appenders`] (group commit), the
//! [`Publisher`] (what follows a commit) and the [`PostingPolicies`] (permission without an RPC).

mod act;
mod append_update;
mod appenders;
mod clear_history;
mod compose;
mod delete_message;
mod delete_scheduled;
mod edit_message;
mod forward_messages;
mod get_heads;
mod get_message;
mod get_message_history;
mod get_receipts;
mod index;
mod keep_clean;
mod list_messages;
mod list_pins;
mod list_reactions;
mod list_scheduled;
mod mark_read;
mod own_thread;
mod pin_message;
mod posting_policies;
mod preview_links;
mod publish_reports;
mod publisher;
mod raise_membership_version;
mod rank_chats;
mod report_message;
mod room;
mod schedule_message;
mod send_due;
mod send_message;
mod set_reaction;
mod sweep_outbox;
mod sync_account;
mod sync_chat;
mod tell_scheduled;
mod unlogged_state;
mod update_scheduled;

pub use append_update::AppendUpdate;
pub use appenders::{AppenderOptions, Appenders, Committing};
pub use compose::SendCopy;
pub use edit_message::EditMessage;
pub use forward_messages::Forwarded;
pub use get_receipts::COUNTS_MAX;
pub use keep_clean::{Cleaner, Progress};
pub use list_messages::{ListMessages, MessagePage, Place};
pub use list_reactions::{ListReactions, ReactionPage};
pub use mark_read::Standing;
pub use pin_message::Pinning;
pub use posting_policies::PostingPolicies;
pub use preview_links::{LinkedMessage, PageReader};
pub use publish_reports::ReportPublisher;
pub use publisher::{Committed, CommittedBatch, Publisher, WeakPublisher};
pub use report_message::ReportMessage;
pub use schedule_message::ScheduleMessage;
pub use send_due::SentDue;
pub use send_message::SendMessage;
pub use sweep_outbox::Sweeper;
pub use sync_account::AccountPage;
pub use sync_chat::{ChatCursor, ChatPage};
pub use update_scheduled::UpdateScheduled;

pub use crate::store::{ChatRank, GivenReaction, LogHead, MessageReceipts, Raise, SeenHead, WantedReceipts};

use std::sync::Arc;

use godwit_kernel::{Clock, Entropy};
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;
use tokio::sync::Semaphore;

use crate::clients::{Calls, Chats, Media, Users};

/// What every use case works with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// The chat service.
    pub chats: Chats,
    /// The call service.
    pub calls: Calls,
    /// The auth service.
    pub users: Users,
    /// The media service.
    pub media: Media,
    /// Who may be named to whom.
    pub access: AccessChecks,
    /// What users may do in chats.
    pub policies: PostingPolicies,
    /// The writers of the logs.
    pub appenders: Appenders,
    /// What follows a commit. Weak: it ends with those who commit.
    pub publisher: WeakPublisher,
    /// The present, for ids and reports; logs have a clock of their own.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
    /// For who counts how many of a large chat have read something: each looks at all its members.
    pub counting: Semaphore,
    /// What is younger is in the logs, so that a cursor of that age can be continued.
    pub cursor_age_max: time::Duration,
}
