//! The use cases: each commits a command to the replicated machine and tells both parties.

mod act_on_call;
mod announce;
mod create_call;
mod end_session;
mod expire_calls;
mod get_call;
mod list_history;
mod list_ice_servers;
mod list_running_calls;
mod record_finished;
mod relay_signal;
mod watch_devices;

pub use announce::FrameOrder;
pub use create_call::CallToMake;
pub use list_history::HistoryPage;
pub use relay_signal::SignalToRelay;
pub use watch_devices::{ConnectedDevice, Silences};

use std::sync::Arc;

use godwit_events::outbox::Waker;
use godwit_kernel::{Clock, Entropy};
use godwit_live::Live;
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;
use tokio::sync::Notify;

use crate::clients::{Alerts, Chats, Logs};
use crate::raft::Node;
use crate::turn::Turn;

/// What the use cases work with.
pub struct App {
    /// This replica of the machine.
    pub node: Node,
    /// The history.
    pub pool: Pool,
    /// Who knows whom.
    pub chats: Chats,
    /// Where chats tell of calls.
    pub logs: Logs,
    /// Who may call whom.
    pub access: AccessChecks,
    /// How their devices are rung that are not connected.
    pub alerts: Alerts,
    /// The servers that help devices to connect.
    pub turn: Turn,
    /// How the parties are told.
    pub live: Arc<dyn Live>,
    /// In which order.
    pub frames: FrameOrder,
    /// Which devices in calls do not answer.
    pub silences: Silences,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// For event ids.
    pub entropy: Arc<dyn Entropy>,
    /// Wakes the relay after calls were recorded.
    pub relay: Waker,
    /// Wakes the recorder when a call is over.
    pub finished: Notify,
}
