//! What the service does, one use case a file.

mod claim_due;
mod deliver;
mod expire_notifications;
mod forget_messages;
mod forget_sessions;
mod get_vapid_key;
mod notify_members;
mod register_web_push;
mod unregister_web_push;

pub use claim_due::Telling;
pub use register_web_push::RegisterWebPush;

use std::sync::Arc;

use godwit_kernel::{Clock, Entropy};
use godwit_pg::Pool;
use time::Duration;
use tokio::sync::{Notify, OnceCell};

use crate::clients::Peers;
use crate::push_service::{PushClient, VapidKey};

/// What every use case works with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// The other services.
    pub peers: Peers,
    /// The way to the push services.
    pub push: PushClient,
    /// The key of this deployment, once it is known.
    pub vapid: OnceCell<Arc<VapidKey>>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For the key and for pauses.
    pub entropy: Arc<dyn Entropy>,
    /// How long after it was sent a message is still worth a notification.
    pub ttl: Duration,
    /// How long a claimed delivery is left to its claimer.
    pub claim_ttl: Duration,
    /// Told when deliveries were made.
    pub enqueued: Notify,
}
