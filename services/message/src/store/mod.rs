//! All SQL of this service.

mod append;
mod heads;
mod messages;
mod outbox;
mod prepared;
mod sync;

pub use append::{Append, AppendError, Encode, Written, append};
pub use heads::{HeadWithMessage, heads_with_messages, raise_membership_version};
pub use messages::{FoundMessages, find_message, list_messages};
pub use outbox::{Backlog, Lease, OutboxRow, Sweep, backlog, claim_outbox, move_to_sync_log, renew_lease};
pub use sync::{ChangedChat, ChatLog, LogClock, changed_chats, chat_log, log_clock, updates_from};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg as pg;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/message");

/// The PostgreSQL schema that this service owns.
pub const SCHEMA: pg::Schema = pg::Schema { name: "message", migrations: || MIGRATIONS };
