use std::collections::HashSet;
use std::time::Duration;

use godwit_contract::presence::v1::ListForegroundDevicesRequest;
use godwit_kernel::limits::BATCH_IDS_MAX;
use godwit_kernel::{DeviceId, UserId};
use tokio::time::timeout;

use super::Peers;

/// Who is in front of what is not worth waiting for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Peers {
    /// The devices that these people have in front of them. When presence cannot say, there are none: a notification too many
    /// is better than one too few.
    pub async fn devices_in_front(&self, users: &[UserId]) -> HashSet<DeviceId> {
        let mut devices = HashSet::new();
        // While it hangs, notifications would only trickle.
        if self.presence_rest.is_on() {
            return devices;
        }
        for chunk in users.chunks(BATCH_IDS_MAX) {
            let request = ListForegroundDevicesRequest { user_ids: chunk.iter().map(UserId::to_string).collect() };
            let mut client = self.foreground.clone();
            match timeout(PATIENCE, client.list_foreground_devices(request)).await {
                Ok(Ok(answer)) => {
                    devices.extend(answer.into_inner().device_ids.iter().filter_map(|id| id.parse::<DeviceId>().ok()));
                }
                failed => {
                    let code = failed.ok().and_then(Result::err).map(|status| status.code());
                    tracing::debug!(?code, "presence does not say who is in front of what");
                    self.presence_rest.begin();
                    return devices;
                }
            }
        }
        devices
    }
}
