use std::sync::Arc;

use godwit_contract::call::v1::call_relay_service_client::CallRelayServiceClient;
use godwit_contract::call::v1::call_relay_service_server::CallRelayService;
use godwit_contract::call::v1::{RelaySignalRequest, RelaySignalResponse, ReportDevicesRequest, ReportDevicesResponse};
use godwit_rpc::{Caller, InvalidField, parse_id};
use tonic::{Request, Response, Status};

use super::call_service::party;
use super::leader::{Asked, Leader, Repeat};
use crate::Error;
use crate::app::{App, ConnectedDevice, SignalToRelay};

/// The most devices of one report.
const DEVICES_MAX: usize = 1_000;

/// `godwit.call.v1.CallRelayService`, served by the replica that leads: it alone knows for sure who is in a call, and what
/// goes through one process stays in its order.
pub struct CallRelayGrpc {
    app: Arc<App>,
    leader: Leader,
}

impl CallRelayGrpc {
    /// The service over these use cases.
    pub const fn new(app: Arc<App>, leader: Leader) -> Self {
        Self { app, leader }
    }

    async fn relay(&self, caller: Caller, request: RelaySignalRequest) -> Result<RelaySignalResponse, Error> {
        self.app.relay_signal(decode(caller, request)?).await?;
        Ok(RelaySignalResponse {})
    }

    async fn note(&self, request: ReportDevicesRequest) -> Result<ReportDevicesResponse, Error> {
        self.app.note_devices(&decode_devices(&request)?).await?;
        Ok(ReportDevicesResponse {})
    }
}

#[tonic::async_trait]
impl CallRelayService for CallRelayGrpc {
    async fn relay_signal(
        &self,
        request: Request<RelaySignalRequest>,
    ) -> Result<Response<RelaySignalResponse>, Status> {
        // Of one that a dying replica may have passed on nobody knows: the device may send it again, and it alone can tell
        // whether that does harm.
        let (caller, asked) = (Caller::of(&request)?, Asked::of(&request, Repeat::Never));
        let there = |channel, request| async { CallRelayServiceClient::new(channel).relay_signal(request).await };
        self.leader.serve(asked, request.into_inner(), |message| self.relay(caller, message), there).await
    }

    async fn report_devices(
        &self,
        request: Request<ReportDevicesRequest>,
    ) -> Result<Response<ReportDevicesResponse>, Status> {
        let asked = Asked::of(&request, Repeat::Harmless);
        let there = |channel, request| async { CallRelayServiceClient::new(channel).report_devices(request).await };
        self.leader.serve(asked, request.into_inner(), |message| self.note(message), there).await
    }
}

fn decode_devices(request: &ReportDevicesRequest) -> Result<Vec<ConnectedDevice>, InvalidField> {
    if request.devices.len() > DEVICES_MAX {
        return Err(InvalidField::new("devices", format!("must be at most {DEVICES_MAX}")));
    }
    let devices = request.devices.iter().map(|device| {
        Ok(ConnectedDevice {
            call_id: parse_id("devices.call_id", &device.call_id)?,
            user_id: parse_id("devices.user_id", &device.user_id)?,
            device_id: parse_id("devices.device_id", &device.device_id)?,
        })
    });
    devices.collect()
}

fn decode(caller: Caller, request: RelaySignalRequest) -> Result<SignalToRelay, InvalidField> {
    let to_device = (!request.to_device_id.is_empty()).then(|| parse_id("to_device_id", &request.to_device_id));
    Ok(SignalToRelay {
        call_id: parse_id("call_id", &request.call_id)?,
        from: party(caller),
        to_device: to_device.transpose()?,
        signal: request.signal.unwrap_or_default(),
    })
}
