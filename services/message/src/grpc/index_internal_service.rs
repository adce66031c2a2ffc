use godwit_contract::message::v1::index_internal_service_server::IndexInternalService;
use godwit_contract::message::v1::{
    GetSeenMessagesRequest, GetSeenMessagesResponse, ListAllMessagesRequest, ListAllMessagesResponse,
    ListedMessage as PbListed,
};
use godwit_kernel::limits::BATCH_IDS_MAX;
use godwit_kernel::{MessageId, limits};
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use crate::domain::ListedMessage;
use crate::wire::encode_message;

#[async_trait]
impl IndexInternalService for Server {
    async fn get_seen_messages(
        &self,
        request: Request<GetSeenMessagesRequest>,
    ) -> Result<Response<GetSeenMessagesResponse>, Status> {
        let GetSeenMessagesRequest { message_ids, viewer_id } = request.get_ref();
        let viewer = parse_id("viewer_id", viewer_id).map_err(to_status)?;
        if message_ids.len() > BATCH_IDS_MAX {
            return Err(to_status(InvalidField::new("message_ids", "must have at most 200 items")));
        }
        let ids = message_ids.iter().map(|id| parse_id("message_ids", id)).collect::<Result<Vec<MessageId>, _>>();
        let messages = self.0.seen_messages(&ids.map_err(to_status)?, viewer).await.map_err(to_status)?;
        Ok(Response::new(GetSeenMessagesResponse { messages: messages.iter().map(encode_message).collect() }))
    }

    async fn list_all_messages(
        &self,
        request: Request<ListAllMessagesRequest>,
    ) -> Result<Response<ListAllMessagesResponse>, Status> {
        let ListAllMessagesRequest { after_message_id, limit } = request.get_ref();
        let is_first = after_message_id.is_empty();
        let after =
            (!is_first).then(|| parse_id("after_message_id", after_message_id)).transpose().map_err(to_status)?;
        let limit = limits::page_size(*limit, limits::PAGE_MAX, limits::PAGE_MAX);
        // One more than asked tells whether there are others.
        let mut listed = self.0.list_all_messages(after, limit.saturating_add(1)).await.map_err(to_status)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = listed.len() > limit;
        listed.truncate(limit);
        Ok(Response::new(ListAllMessagesResponse { messages: listed.iter().map(encode).collect(), has_more }))
    }
}

fn encode(listed: &ListedMessage) -> PbListed {
    PbListed {
        message: Some(encode_message(&listed.message)),
        as_of_seq: listed.as_of.get(),
        epoch: listed.epoch.to_string(),
    }
}
