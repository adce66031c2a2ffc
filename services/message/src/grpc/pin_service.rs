use godwit_contract::message::v1::pin_service_server::PinService;
use godwit_contract::message::v1::{
    ListPinsRequest, ListPinsResponse, PinMessageRequest, PinMessageResponse, UnpinMessageRequest, UnpinMessageResponse,
};
use godwit_kernel::{ChatId, MessageId};
use godwit_rpc::{Caller, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use crate::app::Pinning;
use crate::error::Error;
use crate::wire::encode_message;

#[async_trait]
impl PinService for Server {
    async fn pin_message(&self, request: Request<PinMessageRequest>) -> Result<Response<PinMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let PinMessageRequest { chat_id, message_id } = request.get_ref();
        let id = message_of_chat(chat_id, message_id).map_err(to_status)?;
        self.0.pin_message(caller.user_id, id, Pinning::Pin).await.map_err(to_status)?;
        Ok(Response::new(PinMessageResponse {}))
    }

    async fn unpin_message(
        &self,
        request: Request<UnpinMessageRequest>,
    ) -> Result<Response<UnpinMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let UnpinMessageRequest { chat_id, message_id } = request.get_ref();
        let id = message_of_chat(chat_id, message_id).map_err(to_status)?;
        self.0.pin_message(caller.user_id, id, Pinning::Unpin).await.map_err(to_status)?;
        Ok(Response::new(UnpinMessageResponse {}))
    }

    async fn list_pins(&self, request: Request<ListPinsRequest>) -> Result<Response<ListPinsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let messages = self.0.list_pins(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(ListPinsResponse { messages: messages.iter().map(encode_message).collect() }))
    }
}

/// A message that is not of the chat is not there.
fn message_of_chat(chat_id: &str, message_id: &str) -> Result<MessageId, Error> {
    let chat_id: ChatId = parse_id("chat_id", chat_id)?;
    let id: MessageId = parse_id("message_id", message_id)?;
    if id.chat_id == chat_id { Ok(id) } else { Err(Error::MessageNotFound) }
}
