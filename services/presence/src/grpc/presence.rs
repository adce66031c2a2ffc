use std::sync::Arc;

use godwit_contract::presence::v1 as proto;
use godwit_contract::presence::v1::presence_service_server::PresenceService;
use godwit_rpc::{Caller, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::events::outgoing::encode_presence;

/// `godwit.presence.v1.PresenceService`.
pub struct PresenceGrpc {
    app: Arc<App>,
}

impl PresenceGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl PresenceService for PresenceGrpc {
    async fn get_presence(
        &self,
        request: Request<proto::GetPresenceRequest>,
    ) -> Result<Response<proto::GetPresenceResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = parse_id("user_id", &request.get_ref().user_id).map_err(to_status)?;
        let presence = self.app.get_presence(caller.user_id, user_id).await.map_err(to_status)?;
        Ok(Response::new(proto::GetPresenceResponse { presence: Some(encode_presence(user_id, presence)) }))
    }
}
