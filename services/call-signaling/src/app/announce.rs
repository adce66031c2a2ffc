use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use godwit_contract::events::v1::{LivePayload, live_payload};
use godwit_contract::v1::{ServerFrame, server_frame};
use godwit_kernel::CallId;
use godwit_live::Channel;
use prost::Message as _;
use tokio::sync::{Mutex, MutexGuard};

use super::App;
use crate::Error;
use crate::domain::{Call, EndCause, Outcome, Refusal, State};
use crate::events::outgoing::encode_call;

/// Lets the frames of one call leave one after the other.
pub struct FrameOrder {
    lanes: [Mutex<()>; 64],
}

impl Default for FrameOrder {
    fn default() -> Self {
        Self { lanes: std::array::from_fn(|_| Mutex::new(())) }
    }
}

impl FrameOrder {
    async fn turn(&self, id: CallId) -> Option<MutexGuard<'_, ()>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(id);
        let lane = usize::try_from(hash % 64).ok().and_then(|lane| self.lanes.get(lane))?;
        Some(lane.lock().await)
    }
}

impl App {
    /// Tells both parties what changed. Live is an optimisation: when it is down the call goes on, and a client that
    /// comes back asks for the call.
    pub(super) async fn announce(&self, outcome: Outcome) -> Result<Call, Error> {
        let call = match outcome {
            Outcome::Changed(call) => call,
            Outcome::Unchanged(call) => return Ok(call),
            Outcome::Refused(refusal) => return Err(Error::Refused(refusal)),
            Outcome::Done => return Err(Error::Refused(Refusal::NotFound)),
        };
        observe(&call);
        tokio::join!(self.publish(&call), self.alert(&call));
        if call.state.is_over() {
            self.finished.notify_one();
        }
        Ok(call)
    }

    /// Tells the parties of every call once more how it stands. For a replica that begins to lead: the one before may
    /// have died between a commit and its frames.
    ///
    /// # Errors
    /// When this replica cannot say what was committed.
    pub async fn announce_all(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let calls: Vec<Call> = self.node.read(|machine| machine.calls().cloned().collect()).await?;
        // A call whose time is over changes in a moment; it must not ring once more before.
        for call in calls.iter().filter(|call| call.deadline().is_none_or(|deadline| deadline > now)) {
            tokio::join!(self.publish(call), self.alert(call));
        }
        Ok(())
    }

    /// Devices that are not connected ring, and stop, by push. It takes what comes late, or twice, for what it is.
    async fn alert(&self, call: &Call) {
        let rings_or_rang = match call.state {
            State::Ringing | State::Accepted | State::Declined | State::Cancelled | State::Missed => true,
            State::Ended | State::Busy => false,
        };
        if rings_or_rang {
            self.alerts.tell(encode_call(call)).await;
        }
    }

    /// A frame that a later change has overtaken is not sent: a phone that was told of the end must not ring.
    pub(super) async fn publish(&self, call: &Call) {
        let _turn = self.frames.turn(call.id).await;
        let now = self.node.peek(|machine| machine.call(call.id).cloned());
        if now.map_or(!call.state.is_over(), |now| now != *call) {
            return;
        }
        let frame = ServerFrame { id: String::new(), frame: Some(server_frame::Frame::Call(encode_call(call))) };
        let payload = LivePayload { payload: Some(live_payload::Payload::ServerFrame(frame.encode_to_vec().into())) };
        let bytes = bytes::Bytes::from(payload.encode_to_vec());
        let messages = call.user_ids().map(|user_id| (Channel::User(user_id), bytes.clone())).to_vec();
        if let Err(error) = self.live.publish(messages).await {
            metrics::counter!("call_frames_lost_total").increment(1);
            tracing::debug!(call.id = %call.id, %error, "a call could not be announced live");
        }
    }
}

fn observe(call: &Call) {
    let state = match call.state {
        State::Ringing => return,
        State::Accepted => "accepted",
        State::Ended => "ended",
        State::Declined => "declined",
        State::Cancelled => "cancelled",
        State::Missed => "missed",
        State::Busy => "busy",
    };
    let cause = match call.end_cause {
        None => "none",
        Some(EndCause::HungUp) => "hung_up",
        Some(EndCause::ConnectionLost) => "connection_lost",
        Some(EndCause::SessionEnded) => "session_ended",
        Some(EndCause::TimedOut) => "timed_out",
    };
    metrics::counter!("call_transitions_total", "to" => state, "cause" => cause).increment(1);
    if let (State::Accepted, Some(accepted_at)) = (call.state, call.accepted_at) {
        metrics::histogram!("call_ring_to_answer_seconds").record((accepted_at - call.created_at).as_seconds_f64());
    }
}
