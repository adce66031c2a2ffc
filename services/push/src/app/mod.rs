//! What the service does, one use case a file.

mod alert_call;
mod claim_cues;
mod claim_due;
mod count_unread;
mod deliver;
mod expire_notifications;
mod fan_out;
mod forget_messages;
mod forget_sessions;
mod get_vapid_key;
mod note_messages;
mod note_reads;
mod notification_settings;
mod register_push_token;
mod register_web_push;
mod settle;
mod settle_cue;
mod unregister;

pub use alert_call::CallAlert;
pub use claim_cues::CueTelling;
pub use claim_due::{Claimed, Telling};
pub use register_push_token::RegisterPushToken;
pub use register_web_push::RegisterWebPush;
pub use settle::Tried;

use std::sync::Arc;

use godwit_kernel::{Clock, Entropy};
use godwit_pg::Pool;
use time::{Duration, OffsetDateTime};
use tokio::sync::{Notify, OnceCell};

use crate::clients::Peers;
use crate::push_service::{PushServices, VapidKey};
use crate::store::CueTimes;

/// Who reads does so message by message: devices are told of a moment's reading at once.
const READ_CUE_DELAY: Duration = Duration::seconds(2);
/// How long it is worth telling a device that something need not be shown any more.
const WITHDRAWAL_TTL: Duration = Duration::hours(24);

/// What every use case works with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// The other services.
    pub peers: Peers,
    /// The ways to devices.
    pub push: PushServices,
    /// The key of this deployment, once it is known.
    pub vapid: Arc<OnceCell<Arc<VapidKey>>>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For the key and for pauses.
    pub entropy: Arc<dyn Entropy>,
    /// How long after it was sent a message is still worth a notification.
    pub ttl: Duration,
    /// How long a claimed delivery is left to its claimer.
    pub claim_ttl: Duration,
    /// How long after that it is known who was told.
    pub record_ttl: Duration,
    /// Told of what there is to do.
    pub bells: Bells,
}

/// Wake those who work.
#[derive(Default)]
pub struct Bells {
    /// Messages were noted.
    pub noted: Notify,
    /// Deliveries were made, by provider.
    pub deliveries: [Notify; 3],
    /// Cues were made, by provider.
    pub cues: [Notify; 3],
}

impl Bells {
    /// Wakes all who send messages.
    pub fn ring_for_deliveries(&self) {
        self.deliveries.iter().for_each(Notify::notify_one);
    }

    /// Wakes all who send cues.
    pub fn ring_for_cues(&self) {
        self.cues.iter().for_each(Notify::notify_one);
    }
}

/// When devices are told that something which they show was read or deleted at `now`.
fn cue_times(now: OffsetDateTime) -> CueTimes {
    CueTimes { reads_at: now + READ_CUE_DELAY, deletions_at: now, until: now + WITHDRAWAL_TTL }
}
