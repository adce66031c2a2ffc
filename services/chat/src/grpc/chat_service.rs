use godwit_contract::chat::v1::chat_service_server::ChatService;
use godwit_contract::chat::v1::{
    CreateDirectChatRequest, CreateDirectChatResponse, GetChatRequest, GetChatResponse, ListChatsRequest,
    ListChatsResponse,
};
use godwit_contract::v1 as pb;
use godwit_kernel::limits::{PAGE_DEFAULT, PAGE_MAX, page_size};
use godwit_rpc::{Caller, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use crate::app::ChatView;
use crate::domain::ListCursor;
use crate::events::outgoing::encode_kind;

#[async_trait]
impl ChatService for Server {
    async fn create_direct_chat(
        &self,
        request: Request<CreateDirectChatRequest>,
    ) -> Result<Response<CreateDirectChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let peer_id = parse_id("user_id", &request.get_ref().user_id).map_err(to_status)?;
        let chat = self.0.create_direct_chat(caller.user_id, peer_id).await.map_err(to_status)?;
        Ok(Response::new(CreateDirectChatResponse { chat: Some(encode_chat(chat)) }))
    }

    async fn list_chats(&self, request: Request<ListChatsRequest>) -> Result<Response<ListChatsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListChatsRequest { limit, cursor, .. } = request.into_inner();
        let cursor = (!cursor.is_empty()).then(|| ListCursor::decode(&cursor)).transpose();
        let cursor = cursor.map_err(crate::Error::from).map_err(to_status)?;
        let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX);
        let page = self.0.list_chats(caller.user_id, cursor, limit).await.map_err(to_status)?;
        Ok(Response::new(ListChatsResponse {
            chats: page.chats.into_iter().map(encode_chat).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.encode()).unwrap_or_default(),
        }))
    }

    async fn get_chat(&self, request: Request<GetChatRequest>) -> Result<Response<GetChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let chat = self.0.get_chat(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(GetChatResponse { chat: Some(encode_chat(chat)) }))
    }

    async fn get_saved_messages(
        &self,
        _: Request<godwit_contract::chat::v1::GetSavedMessagesRequest>,
    ) -> Result<Response<godwit_contract::chat::v1::GetSavedMessagesResponse>, Status> {
        Err(Status::unimplemented("ChatService.GetSavedMessages"))
    }

    async fn create_group(
        &self,
        _: Request<godwit_contract::chat::v1::CreateGroupRequest>,
    ) -> Result<Response<godwit_contract::chat::v1::CreateGroupResponse>, Status> {
        Err(Status::unimplemented("ChatService.CreateGroup"))
    }

    async fn update_chat(
        &self,
        _: Request<godwit_contract::chat::v1::UpdateChatRequest>,
    ) -> Result<Response<godwit_contract::chat::v1::UpdateChatResponse>, Status> {
        Err(Status::unimplemented("ChatService.UpdateChat"))
    }

    async fn delete_chat(
        &self,
        _: Request<godwit_contract::chat::v1::DeleteChatRequest>,
    ) -> Result<Response<godwit_contract::chat::v1::DeleteChatResponse>, Status> {
        Err(Status::unimplemented("ChatService.DeleteChat"))
    }
}

fn encode_chat(view: ChatView) -> pb::Chat {
    let head = view.head.unwrap_or_default();
    pb::Chat {
        id: view.chat.id.to_string(),
        kind: encode_kind(view.chat.kind).into(),
        peer: view.peer,
        created_at: Some(timestamp(view.chat.created_at)),
        seq: head.last_seq,
        epoch: head.epoch,
        last_message: head.last_message,
        ..pb::Chat::default()
    }
}
