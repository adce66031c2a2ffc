use godwit_contract::chat::v1::directory_internal_service_server::DirectoryInternalService;
use godwit_contract::chat::v1::{ListPublicChannelsRequest, ListPublicChannelsResponse, PublicChannel};
use godwit_rpc::{parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use crate::events::encode::encode_info;

#[async_trait]
impl DirectoryInternalService for Server {
    async fn list_public_channels(
        &self,
        request: Request<ListPublicChannelsRequest>,
    ) -> Result<Response<ListPublicChannelsResponse>, Status> {
        let ListPublicChannelsRequest { after_chat_id, limit } = request.get_ref();
        let after = (!after_chat_id.is_empty()).then(|| parse_id("after_chat_id", after_chat_id));
        let page = self.0.list_public_channels(after.transpose().map_err(to_status)?, *limit).await;
        let page = page.map_err(to_status)?;
        let channels = page.channels.iter();
        let channels = channels
            .map(|chat| PublicChannel { chat_id: chat.id.to_string(), info: Some(encode_info(&chat.info)) })
            .collect();
        Ok(Response::new(ListPublicChannelsResponse { channels, has_more: page.has_more }))
    }
}
