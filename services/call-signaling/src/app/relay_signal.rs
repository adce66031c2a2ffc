use bytes::Bytes;
use godwit_contract::auth::v1::AccessAction;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::events::v1::{ForDevice, LivePayload};
use godwit_contract::v1::{CallSignal, CallSignalEvent, ServerFrame, server_frame};
use godwit_kernel::{CallId, DeviceId, UserId};
use godwit_live::{Channel, TokenBucket, TokenDecision};
use godwit_rpc::{Access, InvalidField};
use prost::Message as _;

use super::App;
use crate::Error;
use crate::domain::{Call, Party, Refusal, Role, State};

/// A session description with many candidates is about half of that.
const SIGNAL_BYTES_MAX: usize = 32 * 1024;
/// Of one person, on all devices: a call begins with some dozens at once, and then there are few.
const SIGNALS: TokenBucket = TokenBucket { capacity: 200, refill_per_sec: 20.0 };

/// What one party tells the other.
#[derive(Clone, Debug)]
pub struct SignalToRelay {
    /// In which call.
    pub call_id: CallId,
    /// Who says it, from which device.
    pub from: Party,
    /// Only for this device of the other.
    pub to_device: Option<DeviceId>,
    /// What.
    pub signal: CallSignal,
}

/// Who is to get a signal.
struct Addressee {
    user_id: UserId,
    /// `None` for all of theirs.
    device_id: Option<DeviceId>,
}

impl App {
    /// Passes a signal on. It is stored nowhere, and the machine knows nothing of it: a signal that is lost is one more
    /// attempt of the devices to connect.
    ///
    /// # Errors
    /// When the call is none of the sender's, or is over; when the device is not in it; when one of the two blocks the
    /// other; when there are too many, or they are too large; when live or auth does not answer.
    #[tracing::instrument(name = "call.relay_signal", skip_all, fields(call.id = %asked.call_id), err(level = "debug"))]
    pub async fn relay_signal(&self, asked: SignalToRelay) -> Result<(), Error> {
        let SignalToRelay { call_id, from, to_device, signal } = asked;
        if signal.content.is_none() {
            return Err(InvalidField::new("signal", "is empty").into());
        }
        if signal.encoded_len() > SIGNAL_BYTES_MAX {
            return Err(InvalidField::new("signal", format!("is over {SIGNAL_BYTES_MAX} bytes")).into());
        }
        self.take_turn(from.user_id).await?;
        let call = self.running(call_id).await?;
        let to = addressee(&call, from, to_device)?;
        // Asked each time: who is blocked in the middle of a call reaches the other no more.
        match self.access.check(AccessAction::Call, from.user_id, to.user_id).await? {
            Access::Allowed | Access::Private => {}
            Access::Blocked => return Err(Error::Blocked),
            Access::UserNotFound => return Err(Error::CalleeNotFound),
        }
        self.live.publish(vec![(Channel::User(to.user_id), payload(call_id, from, to.device_id, signal))]).await?;
        metrics::counter!("call_signals_relayed_total").increment(1);
        Ok(())
    }

    async fn take_turn(&self, user_id: UserId) -> Result<(), Error> {
        match self.live.take_token(&format!("call:signals:{user_id}"), SIGNALS).await? {
            TokenDecision::Taken { .. } => Ok(()),
            TokenDecision::Empty { retry_after } => Err(Error::TooManySignals { retry_after }),
        }
    }

    /// What this replica has applied is enough to relay, and costs the group nothing; only a call that it does not know
    /// may be younger than that.
    async fn running(&self, call_id: CallId) -> Result<Call, Error> {
        let known = self.node.peek(|machine| machine.call(call_id).cloned());
        let call = match known {
            Some(call) => Some(call),
            None => self.node.read(|machine| machine.call(call_id).cloned()).await?,
        };
        call.ok_or(Error::Refused(Refusal::NotFound))
    }
}

/// While a call rings, any device of the callee may have something to say, and the caller may speak to all of them or to
/// one; from when it was accepted, there is one device on each side.
fn addressee(call: &Call, from: Party, to_device: Option<DeviceId>) -> Result<Addressee, Error> {
    let rings = call.state == State::Ringing;
    let (is_in_it, to) = match call.role_of(from.user_id) {
        Some(Role::Caller) => {
            let device_id = if rings { to_device } else { call.callee_device_id };
            (from.device_id == call.caller.device_id, Addressee { user_id: call.callee_id, device_id })
        }
        Some(Role::Callee) => {
            let to = Addressee { user_id: call.caller.user_id, device_id: Some(call.caller.device_id) };
            (rings || Some(from.device_id) == call.callee_device_id, to)
        }
        Some(Role::System) | None => return Err(Error::Refused(Refusal::NotFound)),
    };
    if call.state.is_over() {
        return Err(Error::Refused(Refusal::WrongState(call.state)));
    }
    if is_in_it { Ok(to) } else { Err(Error::Refused(Refusal::AnsweredElsewhere)) }
}

fn payload(call_id: CallId, from: Party, to_device: Option<DeviceId>, signal: CallSignal) -> Bytes {
    let event = CallSignalEvent {
        call_id: call_id.to_string(),
        from_user_id: from.user_id.to_string(),
        from_device_id: from.device_id.to_string(),
        signal: Some(signal),
    };
    let frame = ServerFrame { id: String::new(), frame: Some(server_frame::Frame::CallSignal(event)) };
    let server_frame = Bytes::from(frame.encode_to_vec());
    let payload = match to_device {
        Some(device_id) => Payload::ForDevice(ForDevice { device_id: device_id.to_string(), server_frame }),
        None => Payload::ServerFrame(server_frame),
    };
    LivePayload { payload: Some(payload) }.encode_to_vec().into()
}
