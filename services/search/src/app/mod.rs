//! The use cases.

mod apply_changes;
mod search_messages;

pub use search_messages::{Hits, MessageSearch};

use std::sync::Arc;

use godwit_kernel::Clock;
use godwit_pg::Pool;

use crate::clients::{Chats, Logs};

/// What the use cases work with.
pub struct App {
    /// The index.
    pub pool: Pool,
    /// Who may see what.
    pub chats: Chats,
    /// Which part of it.
    pub logs: Logs,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}
