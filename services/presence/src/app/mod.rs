//! What the service does, one use case a file.

mod announce;
mod announcements;
mod end_leases;
mod list_foreground_devices;
mod part_users;
mod presences;
mod report_node;
mod watch_presence;

pub use announcements::Announcements;
pub use report_node::NodeLease;
pub use watch_presence::Watch;

use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{Clock, Entropy};
use godwit_live::Live;
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;
use tokio::sync::Notify;

use crate::clients::{Chats, Friends};
use crate::roster::Roster;

/// What every use case works with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// Where changes are told.
    pub live: Arc<dyn Live>,
    /// Who is where.
    pub roster: Roster,
    /// Who shares a direct chat with whom.
    pub chats: Chats,
    /// Who is a friend of whom.
    pub friends: Friends,
    /// Who may see whose presence.
    pub access: AccessChecks,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For leases.
    pub entropy: Arc<dyn Entropy>,
    /// How long who leaves, or goes away, is held as they were: who is back by then was never gone.
    pub grace: Duration,
    /// Whose change is still to be told.
    pub announcements: Announcements,
    /// Told when a node gave its lease back.
    pub lease_ended: Notify,
}
