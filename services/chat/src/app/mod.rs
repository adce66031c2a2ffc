//! What the service does, one use case a file.

mod create_direct_chat;
mod deliver_updates;
mod get_chat;
mod list_chats;
mod list_members;
mod read_policy;
mod set_direct_block;
mod view;

pub use list_chats::ChatsPage;
pub use list_members::Page;
pub use view::ChatView;

use std::sync::Arc;

use godwit_kernel::{Clock, Entropy};
use godwit_live::Live;
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;

use crate::clients::{Logs, Users};

/// What every use case works with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// The auth service.
    pub users: Users,
    /// Who may write to whom.
    pub access: AccessChecks,
    /// The message service.
    pub logs: Logs,
    /// What may be lost.
    pub live: Arc<dyn Live>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
}
