use godwit_kernel::{CallId, ChatId, DeviceId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::Role;

/// How long a call rings before it is missed.
const RING_TIMEOUT: Duration = Duration::seconds(45);
/// When a call ends that nobody hangs up, because both devices are gone: else its parties would be busy for ever.
const LONGEST_CALL: Duration = Duration::hours(12);
/// How long a party whose connection is lost may take to come back.
const RETURN_TIMEOUT: Duration = Duration::seconds(30);

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

/// Why a call that was rung or answered is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndCause {
    /// A party ended it.
    HungUp,
    /// A party did not come back in time.
    ConnectionLost,
    /// The session of a device in the call was ended.
    SessionEnded,
    /// It was in its state for as long as it may.
    TimedOut,
}

/// One device of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The person.
    pub user_id: UserId,
    /// The device.
    pub device_id: DeviceId,
    /// The login that the device uses; not known of calls in the history.
    #[serde(default)]
    pub session_id: Option<SessionId>,
}

impl Party {
    /// Whether it is the same device of the same person, whatever the login.
    pub fn is_device_of(&self, other: &Self) -> bool {
        (self.user_id, self.device_id) == (other.user_id, other.device_id)
    }
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
    /// The login that this device uses.
    #[serde(default)]
    pub callee_session_id: Option<SessionId>,
    /// The id under which the callee called the caller while it rang: both meant this call.
    #[serde(default)]
    pub crossed_id: Option<CallId>,
    /// The direct chat of the two; not known of calls that a release before this one began.
    #[serde(default)]
    pub chat_id: Option<ChatId>,
    /// When it began to ring.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub created_at: OffsetDateTime,
    /// When it was accepted.
    #[serde(with = "time::serde::timestamp::milliseconds::option")]
    pub accepted_at: Option<OffsetDateTime>,
    /// When it was over.
    #[serde(with = "time::serde::timestamp::milliseconds::option")]
    pub ended_at: Option<OffsetDateTime>,
    /// Why, when it was rung or answered.
    #[serde(default)]
    pub end_cause: Option<EndCause>,
    /// Since when the caller's device has no connection, once the call was accepted.
    #[serde(default, with = "time::serde::timestamp::milliseconds::option")]
    pub caller_lost_at: Option<OffsetDateTime>,
    /// The same of the callee's.
    #[serde(default, with = "time::serde::timestamp::milliseconds::option")]
    pub callee_lost_at: Option<OffsetDateTime>,
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
            State::Accepted => {
                let lost = [self.caller_lost_at, self.callee_lost_at].into_iter().flatten().min();
                let given_up = lost.map(|lost_at| lost_at + RETURN_TIMEOUT);
                Some(given_up.map_or(self.longest(), |given_up| given_up.min(self.longest())))
            }
            _ => None,
        }
    }

    fn longest(&self) -> OffsetDateTime {
        self.accepted_at.unwrap_or(self.created_at) + LONGEST_CALL
    }

    /// What an end by the timer means at this time.
    pub(super) fn timeout_cause(&self, at: OffsetDateTime) -> EndCause {
        if self.state == State::Accepted && at < self.longest() { EndCause::ConnectionLost } else { EndCause::TimedOut }
    }

    /// The devices in the call, once it was accepted.
    pub fn devices(&self) -> Option<[(Role, UserId, DeviceId); 2]> {
        let callee_device_id = self.callee_device_id.filter(|_| self.state == State::Accepted)?;
        let caller = (Role::Caller, self.caller.user_id, self.caller.device_id);
        Some([caller, (Role::Callee, self.callee_id, callee_device_id)])
    }

    /// Whether a login is in the call: the caller's from its beginning, the callee's from when they accepted.
    pub fn has_session(&self, session_id: SessionId) -> bool {
        [self.caller.session_id, self.callee_session_id].contains(&Some(session_id))
    }

    /// Both people.
    pub fn user_ids(&self) -> [UserId; 2] {
        [self.caller.user_id, self.callee_id]
    }
}
