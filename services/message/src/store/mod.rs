//! All SQL of this service.

mod append;
mod heads;
mod index;
mod members;
mod message_row;
mod messages;
mod outbox;
mod prepared;
mod purges;
mod reactions;
mod reports;
mod retention;
mod scheduled;
mod scrubs;
mod sync;

pub use append::{Append, AppendError, Remembered, Written, WrittenUpdate, append, is_alive};
pub use heads::{ChatRank, LogHead, SeenHead, WantedReceipts, heads, rank_chats, seen_heads};
pub use index::{list_all_messages, seen_messages};
pub use members::{
    LogPresence, MessageReceipts, Raise, hidden_until, members_among, membership_version, message_receipts,
    raise_membership_version,
};
pub use messages::{
    FoundMessages, find_message, list_messages, message_sent_as, messages_by_id, pinned_messages, versions,
};
pub use outbox::{
    Backlog, Lease, OutboxBatch, StoredPayload, Sweep, backlog, claim_batches, forget_batches, renew_lease,
    stored_payloads,
};
pub use purges::{next_purge, purge_some};
pub use reactions::{GivenReaction, list_reactions};
pub use reports::{NewReport, UnpublishedReport, insert_report, reports_published, unpublished_reports};
pub use retention::{LogPart, expire_logs};
pub use scheduled::{
    ChangeOutcome, DueMessage, NewScheduled, ScheduleOutcome, Settled, Tried, UntoldChange, change_scheduled,
    change_told, claim_due_messages, delete_scheduled, forget_ended, forget_scheduled_of, is_scheduled_sent,
    list_scheduled, schedule, scheduled_before, settle_scheduled, tell_later, untold_changes,
};
pub use scrubs::scrub_some;
pub use sync::{ChangedChat, ChatLog, LogPage, changed_chats, chat_log, log_clock, updates_from};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/message");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "message", migrations: || MIGRATIONS, extensions: &[] };
