use godwit_kernel::{CallId, DeviceId, UserId};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::Role;

/// How long a call rings before it is missed.
const RING_TIMEOUT: Duration = Duration::seconds(45);
/// When a call ends that nobody hangs up, because both devices are gone: else its parties would be busy for ever.
const LONGEST_CALL: Duration = Duration::hours(12);

/// What the parties send each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Media {
    /// Sound only.
    Voice,
    /// Sound and picture.
    Video,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The callee's devices ring.
    Ringing,
    /// One device of the callee answered.
    Accepted,
    /// Over after it was accepted.
    Ended,
    /// The callee refused.
    Declined,
    /// The caller gave up while it rang.
    Cancelled,
    /// Nobody answered in time.
    Missed,
    /// The callee was in another call.
    Busy,
}

impl State {
    /// Whether nothing can happen any more.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Ringing | Self::Accepted)
    }
}

/// One device of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The person.
    pub user_id: UserId,
    /// The device.
    pub device_id: DeviceId,
}

/// A one-to-one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the caller's client.
    pub id: CallId,
    /// Voice or video.
    pub media: Media,
    /// Where it stands.
    pub state: State,
    /// Who calls, and from which device.
    pub caller: Party,
    /// Who is called.
    pub callee_id: UserId,
    /// The device that accepted.
    pub callee_device_id: Option<DeviceId>,
    /// When it began to ring.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub created_at: OffsetDateTime,
    /// When it was accepted.
    #[serde(with = "time::serde::timestamp::milliseconds::option")]
    pub accepted_at: Option<OffsetDateTime>,
    /// When it was over.
    #[serde(with = "time::serde::timestamp::milliseconds::option")]
    pub ended_at: Option<OffsetDateTime>,
}

impl Call {
    /// Which side a person is on; `None` for strangers.
    pub fn role_of(&self, user_id: UserId) -> Option<Role> {
        if user_id == self.caller.user_id {
            Some(Role::Caller)
        } else if user_id == self.callee_id {
            Some(Role::Callee)
        } else {
            None
        }
    }

    /// When the call leaves its state by itself; `None` when it is over.
    pub fn deadline(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Ringing => Some(self.created_at + RING_TIMEOUT),
            State::Accepted => Some(self.accepted_at.unwrap_or(self.created_at) + LONGEST_CALL),
            _ => None,
        }
    }

    /// Both people.
    pub fn user_ids(&self) -> [UserId; 2] {
        [self.caller.user_id, self.callee_id]
    }
}
