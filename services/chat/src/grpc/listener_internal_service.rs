use godwit_contract::chat::v1 as api;
use godwit_contract::chat::v1::listener_internal_service_server::ListenerInternalService;
use godwit_kernel::limits::INTERNAL_PAGE_MAX;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{InvalidField, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use crate::domain::Listeners;
use crate::events::encode::encode_kind;

#[async_trait]
impl ListenerInternalService for Server {
    async fn check_listeners(
        &self,
        request: Request<api::CheckListenersRequest>,
    ) -> Result<Response<api::CheckListenersResponse>, Status> {
        let pairs = decode_pairs(request.get_ref()).map_err(to_status)?;
        let chats = self.0.check_listeners(&pairs).await.map_err(to_status)?;
        Ok(Response::new(api::CheckListenersResponse { chats: chats.into_iter().map(encode).collect() }))
    }
}

fn decode_pairs(request: &api::CheckListenersRequest) -> Result<Vec<(ChatId, UserId)>, InvalidField> {
    let mut pairs = Vec::new();
    for query in &request.queries {
        let chat_id = parse_id("queries.chat_id", &query.chat_id)?;
        for user_id in &query.user_ids {
            pairs.push((chat_id, parse_id("queries.user_ids", user_id)?));
        }
    }
    if u32::try_from(pairs.len()).is_ok_and(|count| count <= INTERNAL_PAGE_MAX) {
        Ok(pairs)
    } else {
        Err(InvalidField::new("queries", format!("name more than {INTERNAL_PAGE_MAX} people")))
    }
}

fn encode(listeners: Listeners) -> api::ChatListeners {
    let members = listeners.listeners.iter().map(|listener| api::Listener {
        user_id: listener.user_id.to_string(),
        joined_at: Some(timestamp(listener.joined_at)),
        is_muted: listener.is_muted,
    });
    api::ChatListeners {
        chat_id: listeners.chat_id.to_string(),
        kind: encode_kind(listeners.kind).into(),
        members: members.collect(),
        title: listeners.title,
        is_history_visible: listeners.is_history_visible,
    }
}
