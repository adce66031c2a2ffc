use godwit_contract::message::v1::message_service_server::MessageService;
use godwit_contract::message::v1::{
    GetMessageRequest, GetMessageResponse, ListMessagesRequest, ListMessagesResponse, SendMessageRequest,
    SendMessageResponse, SyncChatRequest, SyncChatResponse, SyncRequest, SyncResponse,
};
use godwit_kernel::limits::{PAGE_DEFAULT, PAGE_MAX, SYNC_CHAT_DEFAULT, SYNC_DEFAULT, SYNC_MAX, page_size};
use godwit_kernel::{MessageId, Seq};
use godwit_rpc::{Caller, InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, encode_page};
use crate::app::{ChatCursor, ListMessages, SendMessage};
use crate::domain::Direction;
use crate::error::Error;
use crate::events::outgoing::encode_message;

#[async_trait]
impl MessageService for Server {
    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let SendMessageRequest { chat_id, client_message_id, text, .. } = request.into_inner();
        let send = SendMessage { chat_id, client_message_id, text };
        let message = self.0.send_message(caller.user_id, send).await.map_err(to_status)?;
        Ok(Response::new(SendMessageResponse { message: Some(encode_message(&message)), scheduled: None }))
    }

    async fn list_messages(
        &self,
        request: Request<ListMessagesRequest>,
    ) -> Result<Response<ListMessagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let list = decode_list(request.get_ref()).map_err(to_status)?;
        let found = self.0.list_messages(caller.user_id, list).await.map_err(to_status)?;
        let messages = found.messages.iter().map(encode_message).collect();
        Ok(Response::new(ListMessagesResponse { messages, has_more: found.has_more, has_newer: false }))
    }

    async fn get_message(&self, request: Request<GetMessageRequest>) -> Result<Response<GetMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id: MessageId = parse_id("message_id", &request.get_ref().message_id).map_err(to_status)?;
        let message = self.0.get_message(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(GetMessageResponse { message: Some(encode_message(&message)) }))
    }

    async fn sync_chat(&self, request: Request<SyncChatRequest>) -> Result<Response<SyncChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let cursor = decode_cursor(request.into_inner()).map_err(to_status)?;
        let page = self.0.sync_chat(caller.user_id, cursor).await.map_err(to_status)?;
        Ok(Response::new(SyncChatResponse { chat: Some(encode_page(page).map_err(to_status)?) }))
    }

    async fn sync(&self, request: Request<SyncRequest>) -> Result<Response<SyncResponse>, Status> {
        let caller = Caller::of(&request)?;
        let SyncRequest { cursor, limit } = request.get_ref();
        let limit = page_size(*limit, SYNC_DEFAULT, SYNC_MAX);
        let page = self.0.sync_account(caller.user_id, cursor, limit).await.map_err(to_status)?;
        let chats = page.chats.into_iter().map(encode_page).collect::<Result<_, Error>>().map_err(to_status)?;
        Ok(Response::new(SyncResponse {
            chats,
            next_cursor: page.next_cursor,
            has_more: page.has_more,
            reset: page.reset,
        }))
    }

    async fn forward_messages(
        &self,
        _: Request<godwit_contract::message::v1::ForwardMessagesRequest>,
    ) -> Result<Response<godwit_contract::message::v1::ForwardMessagesResponse>, Status> {
        Err(Status::unimplemented("MessageService.ForwardMessages"))
    }

    async fn edit_message(
        &self,
        _: Request<godwit_contract::message::v1::EditMessageRequest>,
    ) -> Result<Response<godwit_contract::message::v1::EditMessageResponse>, Status> {
        Err(Status::unimplemented("MessageService.EditMessage"))
    }

    async fn delete_message(
        &self,
        _: Request<godwit_contract::message::v1::DeleteMessageRequest>,
    ) -> Result<Response<godwit_contract::message::v1::DeleteMessageResponse>, Status> {
        Err(Status::unimplemented("MessageService.DeleteMessage"))
    }

    async fn get_message_history(
        &self,
        _: Request<godwit_contract::message::v1::GetMessageHistoryRequest>,
    ) -> Result<Response<godwit_contract::message::v1::GetMessageHistoryResponse>, Status> {
        Err(Status::unimplemented("MessageService.GetMessageHistory"))
    }

    async fn report_message(
        &self,
        _: Request<godwit_contract::message::v1::ReportMessageRequest>,
    ) -> Result<Response<godwit_contract::message::v1::ReportMessageResponse>, Status> {
        Err(Status::unimplemented("MessageService.ReportMessage"))
    }
}

fn decode_list(request: &ListMessagesRequest) -> Result<ListMessages, InvalidField> {
    let direction = match (request.before_seq, request.after_seq) {
        (Some(_), Some(_)) => return Err(InvalidField::new("after_seq", "must not be given together with before_seq")),
        (None, Some(after)) => Direction::After(decode_seq("after_seq", after)?),
        (Some(before), None) => Direction::Before(decode_seq("before_seq", before)?),
        (None, None) => Direction::Before(Seq::from_i64(i64::MAX)),
    };
    let chat_id = parse_id("chat_id", &request.chat_id)?;
    Ok(ListMessages { chat_id, direction, limit: page_size(request.limit, PAGE_DEFAULT, PAGE_MAX) })
}

fn decode_cursor(request: SyncChatRequest) -> Result<ChatCursor, InvalidField> {
    Ok(ChatCursor {
        chat_id: parse_id("chat_id", &request.chat_id)?,
        after: decode_seq("after_seq", request.after_seq)?,
        epoch: request.epoch,
        limit: page_size(request.limit, SYNC_CHAT_DEFAULT, SYNC_MAX),
    })
}

fn decode_seq(field: &'static str, number: u64) -> Result<Seq, InvalidField> {
    Seq::new(number).ok_or_else(|| InvalidField::new(field, "must be below 2^63"))
}
