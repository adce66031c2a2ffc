use godwit_contract::events::v1::{LivePayload, live_payload};
use godwit_contract::v1::{ServerFrame, server_frame};
use godwit_live::Channel;
use prost::Message as _;

use super::App;
use crate::Error;
use crate::domain::{Call, Outcome, Refusal, State};
use crate::grpc::encode_call;

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
        let frame = ServerFrame { id: String::new(), frame: Some(server_frame::Frame::Call(encode_call(&call))) };
        let payload = LivePayload { payload: Some(live_payload::Payload::ServerFrame(frame.encode_to_vec().into())) };
        let bytes = bytes::Bytes::from(payload.encode_to_vec());
        let messages = call.user_ids().map(|user_id| (Channel::User(user_id), bytes.clone())).to_vec();
        if let Err(error) = self.live.publish(messages).await {
            tracing::debug!(call.id = %call.id, %error, "a call could not be announced live");
        }
        if call.state.is_over() {
            self.finished.notify_one();
        }
        Ok(call)
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
    metrics::counter!("call_transitions_total", "to" => state).increment(1);
    if let (State::Accepted, Some(accepted_at)) = (call.state, call.accepted_at) {
        metrics::histogram!("call_ring_to_answer_seconds").record((accepted_at - call.created_at).as_seconds_f64());
    }
}
