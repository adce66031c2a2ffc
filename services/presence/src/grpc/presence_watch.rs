use std::sync::Arc;

use godwit_contract::presence::v1 as proto;
use godwit_contract::presence::v1::presence_watch_service_server::PresenceWatchService;
use godwit_kernel::UserId;
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::{App, Watch};
use crate::events::outgoing::encode_presence;

/// The most users of each list of a watch: the connections of one user at one node.
const WATCH_USERS_MAX: usize = 2_000;

/// `godwit.presence.v1.PresenceWatchService`.
pub struct PresenceWatchGrpc {
    app: Arc<App>,
}

impl PresenceWatchGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl PresenceWatchService for PresenceWatchGrpc {
    async fn watch_presence(
        &self,
        request: Request<proto::WatchPresenceRequest>,
    ) -> Result<Response<proto::WatchPresenceResponse>, Status> {
        let watch = decode(request.get_ref()).map_err(to_status)?;
        let watched = watch.watched.clone();
        let readings = self.app.watch_presence(watch).await.map_err(to_status)?;
        let presences = watched.iter().zip(readings).map(|(user_id, reading)| encode_presence(*user_id, reading));
        Ok(Response::new(proto::WatchPresenceResponse { presences: presences.collect() }))
    }
}

fn decode(request: &proto::WatchPresenceRequest) -> Result<Watch, InvalidField> {
    Ok(Watch {
        node_id: parse_id("node_id", &request.node_id)?,
        user_id: parse_id("user_id", &request.user_id)?,
        watched: decode_users("watched_user_ids", &request.watched_user_ids)?,
        unwatched: decode_users("unwatched_user_ids", &request.unwatched_user_ids)?,
    })
}

fn decode_users(field: &'static str, ids: &[String]) -> Result<Vec<UserId>, InvalidField> {
    if ids.len() > WATCH_USERS_MAX {
        return Err(InvalidField::new(field, format!("names more than {WATCH_USERS_MAX} users")));
    }
    ids.iter().map(|id| parse_id(field, id)).collect()
}
