use std::sync::Arc;

use godwit_contract::call::v1::call_internal_service_client::CallInternalServiceClient;
use godwit_contract::call::v1::call_internal_service_server::CallInternalService;
use godwit_contract::call::v1::{
    EndSessionRequest, EndSessionResponse, ListRunningCallsRequest, ListRunningCallsResponse,
};
use godwit_rpc::parse_id;
use tonic::{Request, Response, Status};

use super::leader::{Asked, Leader, Repeat};
use crate::Error;
use crate::app::App;
use crate::events::outgoing::encode_call;

/// `godwit.call.v1.CallInternalService`, served by the replica that leads.
pub struct CallInternalGrpc {
    app: Arc<App>,
    leader: Leader,
}

impl CallInternalGrpc {
    /// The service over these use cases.
    pub const fn new(app: Arc<App>, leader: Leader) -> Self {
        Self { app, leader }
    }

    async fn list(&self, request: ListRunningCallsRequest) -> Result<ListRunningCallsResponse, Error> {
        let calls = self.app.list_running_calls(parse_id("user_id", &request.user_id)?).await?;
        Ok(ListRunningCallsResponse { calls: calls.iter().map(encode_call).collect() })
    }

    async fn end(&self, request: EndSessionRequest) -> Result<EndSessionResponse, Error> {
        let user_id = parse_id("user_id", &request.user_id)?;
        self.app.end_session(user_id, parse_id("session_id", &request.session_id)?).await?;
        Ok(EndSessionResponse {})
    }
}

#[tonic::async_trait]
impl CallInternalService for CallInternalGrpc {
    async fn list_running_calls(
        &self,
        request: Request<ListRunningCallsRequest>,
    ) -> Result<Response<ListRunningCallsResponse>, Status> {
        let asked = Asked::of(&request, Repeat::Harmless);
        let there =
            |channel, request| async { CallInternalServiceClient::new(channel).list_running_calls(request).await };
        self.leader.serve(asked, request.into_inner(), |message| self.list(message), there).await
    }

    async fn end_session(&self, request: Request<EndSessionRequest>) -> Result<Response<EndSessionResponse>, Status> {
        let asked = Asked::of(&request, Repeat::Harmless);
        let there = |channel, request| async { CallInternalServiceClient::new(channel).end_session(request).await };
        self.leader.serve(asked, request.into_inner(), |message| self.end(message), there).await
    }
}
