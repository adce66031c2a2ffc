//! What the service does, one use case a file.

mod announce;
mod announcements;
mod end_leases;
mod get_presence;
mod list_presences;
mod part_users;
mod report_node;

pub use announcements::Announcements;
pub use report_node::NodeLease;

use std::sync::Arc;

use godwit_kernel::{Clock, Entropy, UserId};
use godwit_live::Live;
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;
use tokio::sync::Notify;

use crate::clients::Chats;
use crate::domain::Presence;
use crate::error::Error;
use crate::roster::Roster;
use crate::store;

/// What every use case works with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// Where changes are told.
    pub live: Arc<dyn Live>,
    /// Who is where.
    pub roster: Roster,
    /// Who knows whom.
    pub chats: Chats,
    /// Who may see whose presence.
    pub access: AccessChecks,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For leases.
    pub entropy: Arc<dyn Entropy>,
    /// Whose change is still to be told.
    pub announcements: Announcements,
    /// Told when a node gave its lease back.
    pub lease_ended: Notify,
}

impl App {
    /// The presence of a user, whoever asks.
    async fn presence_of(&self, user_id: UserId) -> Result<Presence, Error> {
        match self.roster.is_online(user_id).await {
            Ok(true) => Ok(Presence::Online),
            Ok(false) => {
                let mut conn = self.pool.get().await?;
                Ok(Presence::Offline { last_seen_at: store::last_seen_at(&mut conn, user_id).await? })
            }
            Err(error) if error.is_unavailable() => Ok(Presence::Unknown),
            Err(error) => Err(error.into()),
        }
    }
}
