//! What every part of Godwit agrees on: typed ids, the clock, randomness, pauses and limits. No IO, no async.

mod clock;
mod entropy;
mod id;
mod message_id;
mod pause;

pub mod limits;

pub use clock::{Clock, SystemClock};
pub use entropy::{Entropy, SystemEntropy};
pub use id::{CallId, ChatId, DeviceId, EventId, InvalidId, MediaId, NodeId, SessionId, UserId};
pub use message_id::{InvalidMessageId, MessageId, Seq};
pub use pause::{jittered, pause_between};
