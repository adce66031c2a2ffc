use std::collections::HashMap;

use bytes::Bytes;
use godwit_contract::events::v1::{DeviceProbe, LivePayload, live_payload};
use godwit_kernel::{CallId, DeviceId, UserId};
use godwit_live::Channel;
use parking_lot::Mutex;
use prost::Message as _;

use super::App;
use crate::Error;
use crate::domain::{Call, Command, Connection, Outcome, Role};

/// A device that has left so many probes in a row unanswered is lost.
const UNANSWERED_MAX: u32 = 2;

/// A device that a gateway has a connection of.
#[derive(Clone, Copy, Debug)]
pub struct ConnectedDevice {
    /// The call that it is in.
    pub call_id: CallId,
    /// Whose it is.
    pub user_id: UserId,
    /// Which.
    pub device_id: DeviceId,
}

/// How many probes each side of each running call has left unanswered. Only the leader counts; what it finds is in the
/// machine, so that the next one goes on from there.
#[derive(Default)]
pub struct Silences {
    counts: Mutex<HashMap<(CallId, Role), u32>>,
}

impl Silences {
    /// Forgets everything: this replica does not lead.
    pub fn clear(&self) {
        self.counts.lock().clear();
    }

    /// Counts one more probe of each of these, and forgets all others. Tells how many each has left unanswered before.
    fn count_on(&self, asked: &[(CallId, Role)]) -> HashMap<(CallId, Role), u32> {
        let mut counts = self.counts.lock();
        let before: HashMap<_, _> = asked.iter().map(|side| (*side, counts.get(side).copied().unwrap_or(0))).collect();
        *counts = before.iter().map(|(side, count)| (*side, count.saturating_add(1))).collect();
        before
    }

    fn end(&self, side: (CallId, Role)) {
        if let Some(count) = self.counts.lock().get_mut(&side) {
            *count = 0;
        }
    }
}

impl App {
    /// Asks all gateways after the devices in accepted calls, and notes as lost those that nobody has answered for. For the
    /// leader, every few seconds. While nothing can be asked nobody is lost.
    ///
    /// # Errors
    /// When live or the group does not answer.
    pub async fn probe_devices(&self) -> Result<(), Error> {
        let accepted: Vec<Call> =
            self.node.peek(|machine| machine.calls().filter(|call| call.devices().is_some()).cloned().collect());
        let devices =
            accepted.iter().flat_map(|call| call.devices().into_iter().flatten().map(|device| (call.id, device)));
        let probes: Vec<_> = devices
            .clone()
            .map(|(call_id, (_, user_id, device_id))| (Channel::User(user_id), probe(call_id, device_id)))
            .collect();
        if !probes.is_empty() {
            self.live.publish(probes).await?;
        }
        let sides: Vec<_> = devices.map(|(call_id, (side, ..))| (call_id, side)).collect();
        for ((call_id, side), unanswered) in self.silences.count_on(&sides) {
            if unanswered >= UNANSWERED_MAX {
                self.connect(call_id, side, Connection::Lost).await?;
            }
        }
        Ok(())
    }

    /// Notes that devices are connected.
    ///
    /// # Errors
    /// When the group does not answer.
    pub async fn note_devices(&self, connected: &[ConnectedDevice]) -> Result<(), Error> {
        for found in connected {
            let call = self.node.peek(|machine| machine.call(found.call_id).cloned());
            let devices = call.as_ref().and_then(Call::devices).into_iter().flatten();
            let is_it = |(_, user_id, device_id): &(Role, UserId, DeviceId)| {
                (*user_id, *device_id) == (found.user_id, found.device_id)
            };
            for (side, ..) in devices.filter(is_it) {
                self.silences.end((found.call_id, side));
                self.connect(found.call_id, side, Connection::Back).await?;
            }
        }
        Ok(())
    }

    /// Commits it when it is news, and tells both parties.
    async fn connect(&self, call_id: CallId, side: Role, connection: Connection) -> Result<(), Error> {
        let is_lost = self.node.peek(|machine| {
            let call = machine.call(call_id)?;
            Some(if side == Role::Caller { call.caller_lost_at } else { call.callee_lost_at }.is_some())
        });
        if is_lost.is_none_or(|is_lost| is_lost == (connection == Connection::Lost)) {
            return Ok(());
        }
        let command = Command::Connect { call_id, side, connection, at: self.clock.now() };
        // A call that is over by then is none of this.
        if let Outcome::Changed(call) = self.node.propose(command).await? {
            let to = if connection == Connection::Lost { "lost" } else { "back" };
            metrics::counter!("call_device_connections_total", "to" => to).increment(1);
            self.publish(&call).await;
        }
        Ok(())
    }
}

fn probe(call_id: CallId, device_id: DeviceId) -> Bytes {
    let probe = DeviceProbe { call_id: call_id.to_string(), device_id: device_id.to_string() };
    LivePayload { payload: Some(live_payload::Payload::DeviceProbe(probe)) }.encode_to_vec().into()
}
