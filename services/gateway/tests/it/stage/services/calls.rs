use std::time::Duration;

use godwit_contract::call::v1::call_relay_service_server::CallRelayService;
use godwit_contract::call::v1::{RelaySignalRequest, RelaySignalResponse, ReportDevicesRequest, ReportDevicesResponse};
use godwit_contract::v1::CallSignal;
use godwit_contract::v1::call_signal::Content;
use godwit_rpc::Caller;
use tonic::{Request, Response, Status};

use super::{Answer, Services};

#[tonic::async_trait]
impl CallRelayService for Services {
    async fn relay_signal(&self, request: Request<RelaySignalRequest>) -> Answer<RelaySignalResponse> {
        Caller::of(&request)?;
        if request.get_ref().call_id == "none" {
            return Err(Status::not_found("no such call"));
        }
        // Who passed on a candidate beside its description would have it here first.
        if matches!(request.get_ref().signal, Some(CallSignal { content: Some(Content::Offer(_)) })) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.signals.lock().push(request.into_inner());
        Ok(Response::new(RelaySignalResponse {}))
    }

    async fn report_devices(&self, request: Request<ReportDevicesRequest>) -> Answer<ReportDevicesResponse> {
        self.devices.lock().extend(request.into_inner().devices);
        Ok(Response::new(ReportDevicesResponse {}))
    }
}
