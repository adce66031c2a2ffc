use std::sync::Arc;

use godwit_contract::call::v1::call_relay_service_server::CallRelayService;
use godwit_contract::call::v1::{RelaySignalRequest, RelaySignalResponse};
use godwit_rpc::{Caller, InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::{App, SignalToRelay};
use crate::domain::Party;

/// `godwit.call.v1.CallRelayService`.
pub struct CallRelayGrpc {
    app: Arc<App>,
}

impl CallRelayGrpc {
    /// The service over these use cases.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl CallRelayService for CallRelayGrpc {
    async fn relay_signal(
        &self,
        request: Request<RelaySignalRequest>,
    ) -> Result<Response<RelaySignalResponse>, Status> {
        let caller = Caller::of(&request)?;
        let signal = decode(caller, request.into_inner()).map_err(to_status)?;
        self.app.relay_signal(signal).await.map_err(to_status)?;
        Ok(Response::new(RelaySignalResponse {}))
    }
}

fn decode(caller: Caller, request: RelaySignalRequest) -> Result<SignalToRelay, InvalidField> {
    let to_device = (!request.to_device_id.is_empty()).then(|| parse_id("to_device_id", &request.to_device_id));
    Ok(SignalToRelay {
        call_id: parse_id("call_id", &request.call_id)?,
        from: Party { user_id: caller.user_id, device_id: caller.device_id },
        to_device: to_device.transpose()?,
        signal: request.signal.unwrap_or_default(),
    })
}
