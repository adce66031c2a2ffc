//! What the service does, one use case a file.

mod channels;
mod chats;
mod invites;
mod members;
mod services;
mod settings;

mod changes;
mod deliver_updates;
mod empty_chats;
mod forget_account;
mod join_requests;
mod membership;
mod turns;

pub use channels::ChannelView;
pub use chats::{ChatToMake, ChatView, ChatsOf, ChatsPage, MadeChat};
pub use invites::{InviteView, Joining, RequestView, RequestsPage};
pub use members::{AddedMembers, BanView, MemberView, UsersPage};
pub use services::Page;
pub use settings::FolderChanges;
pub use turns::Turns;

use std::sync::Arc;

use godwit_kernel::{Clock, Entropy};
use godwit_live::{Live, Losses};
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;

use crate::clients::{Logs, Media, Users};

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
    /// The media service.
    pub media: Media,
    /// What may be lost.
    pub live: Arc<dyn Live>,
    /// Word of joins and leaves that live did not take.
    pub losses: Losses,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For ids and codes.
    pub entropy: Arc<dyn Entropy>,
    /// Who delivers the updates of which chat in this process.
    pub turns: Turns,
}
