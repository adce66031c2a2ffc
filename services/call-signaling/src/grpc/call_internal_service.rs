use std::sync::Arc;

use godwit_contract::call::v1::call_internal_service_server::CallInternalService;
use godwit_contract::call::v1::{ListRunningCallsRequest, ListRunningCallsResponse};
use godwit_rpc::{parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::events::outgoing::encode_call;

/// `godwit.call.v1.CallInternalService`.
pub struct CallInternalGrpc {
    app: Arc<App>,
}

impl CallInternalGrpc {
    /// The service over these use cases.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl CallInternalService for CallInternalGrpc {
    async fn list_running_calls(
        &self,
        request: Request<ListRunningCallsRequest>,
    ) -> Result<Response<ListRunningCallsResponse>, Status> {
        let user_id = parse_id("user_id", &request.get_ref().user_id).map_err(to_status)?;
        let calls = self.app.list_running_calls(user_id).await.map_err(to_status)?;
        Ok(Response::new(ListRunningCallsResponse { calls: calls.iter().map(encode_call).collect() }))
    }
}
