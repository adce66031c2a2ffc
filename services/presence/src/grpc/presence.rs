use std::sync::Arc;

use godwit_contract::presence::v1 as proto;
use godwit_contract::presence::v1::presence_service_server::PresenceService;
use godwit_kernel::UserId;
use godwit_rpc::{Caller, InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::events::outgoing::encode_presence;

/// The most users of one list.
const LIST_PRESENCES_MAX: usize = 100;

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
        let reading = self.app.get_presence(caller.user_id, user_id).await.map_err(to_status)?;
        Ok(Response::new(proto::GetPresenceResponse { presence: Some(encode_presence(user_id, reading)) }))
    }

    async fn list_presences(
        &self,
        request: Request<proto::ListPresencesRequest>,
    ) -> Result<Response<proto::ListPresencesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let users = decode_users(&request.get_ref().user_ids).map_err(to_status)?;
        let readings = self.app.list_presences(caller.user_id, &users).await.map_err(to_status)?;
        let presences = users.iter().zip(readings).map(|(user_id, reading)| encode_presence(*user_id, reading));
        Ok(Response::new(proto::ListPresencesResponse { presences: presences.collect() }))
    }
}

fn decode_users(ids: &[String]) -> Result<Vec<UserId>, InvalidField> {
    if ids.is_empty() || ids.len() > LIST_PRESENCES_MAX {
        return Err(InvalidField::new("user_ids", format!("names none or more than {LIST_PRESENCES_MAX} users")));
    }
    ids.iter().map(|id| parse_id("user_ids", id)).collect()
}
