//! The use cases.

mod apply_changes;
mod build_index;
mod candidates;
mod keep_names;
mod search_all;
mod search_messages;
mod search_names;

pub use build_index::Progress;
pub use search_all::Everything;
pub use search_messages::{Hit, Hits, MessageSearch, Order};

use std::sync::Arc;

use godwit_kernel::Clock;
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;

use crate::clients::{Chats, Logs, People};

/// What the use cases work with.
pub struct App {
    /// The index.
    pub pool: Pool,
    /// Who may see what.
    pub chats: Chats,
    /// Which part of it, and what it says.
    pub logs: Logs,
    /// Who people are.
    pub people: People,
    /// Who may have to do with whom.
    pub access: AccessChecks,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}
