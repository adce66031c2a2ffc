use godwit_contract::chat::v1 as api;
use godwit_contract::chat::v1::direct_chat_internal_service_server::DirectChatInternalService;
use godwit_rpc::{parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl DirectChatInternalService for Server {
    async fn get_direct_chat(
        &self,
        request: Request<api::GetDirectChatRequest>,
    ) -> Result<Response<api::GetDirectChatResponse>, Status> {
        let request = request.into_inner();
        let user_id = parse_id("user_id", &request.user_id).map_err(to_status)?;
        let peer_id = parse_id("peer_id", &request.peer_id).map_err(to_status)?;
        let chat_id = self.0.get_direct_chat(user_id, peer_id).await.map_err(to_status)?;
        let chat_id = chat_id.map(|id| id.to_string()).unwrap_or_default();
        Ok(Response::new(api::GetDirectChatResponse { chat_id }))
    }
}
