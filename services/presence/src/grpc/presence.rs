use std::sync::Arc;

use godwit_contract::presence::v1 as proto;
use godwit_contract::presence::v1::presence_service_server::PresenceService;
use godwit_contract::v1 as pb;
use godwit_kernel::UserId;
use godwit_rpc::{Caller, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::Presence;

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

/// The contract's form of a presence.
pub fn encode_presence(user_id: UserId, presence: Presence) -> pb::Presence {
    let (status, last_seen_at) = match presence {
        Presence::Unknown => (pb::PresenceStatus::Unspecified, None),
        Presence::Online => (pb::PresenceStatus::Online, None),
        Presence::Offline { last_seen_at } => (pb::PresenceStatus::Offline, last_seen_at),
    };
    pb::Presence { user_id: user_id.to_string(), status: status.into(), last_seen_at: last_seen_at.map(timestamp) }
}
