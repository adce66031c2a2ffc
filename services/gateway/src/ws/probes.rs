use std::collections::HashSet;
use std::sync::Arc;

use godwit_contract::call::v1::{ConnectedDevice, ReportDevicesRequest};
use godwit_contract::events::v1::DeviceProbe;
use godwit_kernel::{CallId, DeviceId, UserId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::clients::Services;
use crate::edge::Edge;

/// The most devices of one report.
const DEVICES_MAX: usize = 1_000;
/// The most devices that wait to be reported. What is over that is asked for again in a few seconds.
const WAITING_MAX: usize = 100_000;

type Probed = (CallId, UserId, DeviceId);

/// The devices in calls that call-signaling asks after and that are connected here.
#[derive(Default)]
pub struct Probes {
    connected: Mutex<HashSet<Probed>>,
    arrived: Notify,
}

impl Probes {
    /// A device that was asked after is connected here.
    pub fn note(&self, user: UserId, probe: &DeviceProbe) {
        let (Ok(call), Ok(device)) = (probe.call_id.parse(), probe.device_id.parse()) else {
            tracing::error!("a device probe has a malformed id");
            return;
        };
        let mut connected = self.connected.lock();
        if connected.len() < WAITING_MAX {
            connected.insert((call, user, device));
            self.arrived.notify_one();
        }
    }

    fn take(&self) -> Vec<Probed> {
        let mut connected = self.connected.lock();
        let some: Vec<Probed> = connected.iter().take(DEVICES_MAX).copied().collect();
        for probed in &some {
            connected.remove(probed);
        }
        some
    }
}

/// Tells call-signaling of them.
pub struct Answerer {
    hub: Arc<Hub>,
    services: Services,
}

impl Answerer {
    /// The answerer of this process.
    pub fn new(edge: &Edge) -> Self {
        Self { hub: Arc::clone(&edge.hub), services: edge.services.clone() }
    }

    /// Answers until `stop`. An answer that is lost is asked for again.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        while stop.run_until_cancelled(self.hub.probes.arrived.notified()).await.is_some() {
            loop {
                let some = self.hub.probes.take();
                if some.is_empty() {
                    break;
                }
                let devices = some.iter().map(|(call, user, device)| ConnectedDevice {
                    call_id: call.to_string(),
                    user_id: user.to_string(),
                    device_id: device.to_string(),
                });
                let report = ReportDevicesRequest { devices: devices.collect() };
                if let Err(status) = self.services.report_devices(report).await {
                    tracing::debug!(code = ?status.code(), "call-signaling was not told of devices in calls");
                }
            }
        }
        Ok(())
    }
}
