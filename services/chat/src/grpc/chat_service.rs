use godwit_contract::chat::v1::chat_service_server::ChatService;
use godwit_contract::chat::v1::{
    CreateDirectChatRequest, CreateDirectChatResponse, CreateGroupRequest, CreateGroupResponse, DeleteChatRequest,
    DeleteChatResponse, GetChatRequest, GetChatResponse, GetSavedMessagesRequest, GetSavedMessagesResponse,
    ListChatsRequest, ListChatsResponse, UpdateChatRequest, UpdateChatResponse,
};
use godwit_contract::v1 as pb;
use godwit_kernel::ChatId;
use godwit_rpc::{Caller, InvalidField, idempotency_key, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use super::decode::{client_chat_id, description, field, handle, ids, optional_id, time_page, title};
use super::encode::{encode_chat, encode_refused};
use crate::app::{ChatToMake, ChatsOf};
use crate::domain::{Info, InfoChanges, Kind, SlowMode, TimeCursor, WhoMayPost};
use crate::error::Error;

/// The most people that a group begins with, without its owner.
const FIRST_MEMBERS_MAX: usize = 199;

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
        let (of, cursor, limit) = decode_list(request.get_ref()).map_err(to_status)?;
        let page = self.0.list_chats(caller.user_id, of, cursor, limit).await.map_err(to_status)?;
        Ok(Response::new(ListChatsResponse {
            chats: page.chats.into_iter().map(encode_chat).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.encode()).unwrap_or_default(),
        }))
    }

    async fn get_saved_messages(
        &self,
        request: Request<GetSavedMessagesRequest>,
    ) -> Result<Response<GetSavedMessagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat = self.0.get_saved_messages(caller.user_id).await.map_err(to_status)?;
        Ok(Response::new(GetSavedMessagesResponse { chat: Some(encode_chat(chat)) }))
    }

    async fn create_group(
        &self,
        request: Request<CreateGroupRequest>,
    ) -> Result<Response<CreateGroupResponse>, Status> {
        let caller = Caller::of(&request)?;
        let key = idempotency_key(&request).map_err(to_status)?;
        let wish = decode_group(request.into_inner(), key).map_err(to_status)?;
        let made = self.0.create_chat(caller.user_id, wish).await.map_err(to_status)?;
        let (chat, refused) = (Some(encode_chat(made.chat)), encode_refused(made.refused));
        Ok(Response::new(CreateGroupResponse { chat, refused }))
    }

    async fn get_chat(&self, request: Request<GetChatRequest>) -> Result<Response<GetChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let chat = self.0.get_chat(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(GetChatResponse { chat: Some(encode_chat(chat)) }))
    }

    async fn update_chat(&self, request: Request<UpdateChatRequest>) -> Result<Response<UpdateChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (chat_id, changes) = decode_changes(request.get_ref()).map_err(to_status)?;
        let chat = self.0.update_chat(caller.user_id, chat_id, changes).await.map_err(to_status)?;
        Ok(Response::new(UpdateChatResponse { chat: Some(encode_chat(chat)) }))
    }

    async fn delete_chat(&self, request: Request<DeleteChatRequest>) -> Result<Response<DeleteChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        self.0.delete_chat(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(DeleteChatResponse {}))
    }
}

fn decode_list(request: &ListChatsRequest) -> Result<(ChatsOf, Option<TimeCursor>, u32), Error> {
    let (cursor, limit) = time_page(&request.cursor, request.limit)?;
    let of = match optional_id("folder_id", &request.folder_id)? {
        Some(folder_id) => ChatsOf::Folder(folder_id),
        None if request.is_archived => ChatsOf::Archive,
        None => ChatsOf::Inbox,
    };
    Ok((of, cursor, limit))
}

fn decode_group(request: CreateGroupRequest, key: Option<String>) -> Result<ChatToMake, InvalidField> {
    let (title, description) = (title(&request.title)?, description(&request.description)?);
    let avatar_id = optional_id("avatar_media_id", &request.avatar_media_id)?;
    Ok(ChatToMake {
        kind: Kind::Group,
        info: Info::first(Kind::Group, title, description, avatar_id),
        member_ids: ids("member_ids", &request.member_ids, FIRST_MEMBERS_MAX)?,
        client_chat_id: client_chat_id(request.client_chat_id, key)?,
    })
}

fn decode_changes(request: &UpdateChatRequest) -> Result<(ChatId, InfoChanges), InvalidField> {
    let who_may_post = match request.who_may_post {
        None => None,
        Some(setting) => match pb::WhoMayPost::try_from(setting) {
            Ok(pb::WhoMayPost::Members) => Some(WhoMayPost::Members),
            Ok(pb::WhoMayPost::Admins) => Some(WhoMayPost::Admins),
            _ => return Err(InvalidField::new("who_may_post", "must be members or admins")),
        },
    };
    let avatar = request.avatar_media_id.as_deref();
    let slow_mode = request.slow_mode_secs.map(|secs| field("slow_mode_secs", SlowMode::parse(secs)));
    let changes = InfoChanges {
        title: request.title.as_deref().map(title).transpose()?,
        description: request.description.as_deref().map(description).transpose()?,
        avatar_id: avatar.map(|id| optional_id("avatar_media_id", id)).transpose()?,
        handle: request.handle.as_deref().map(handle).transpose()?,
        who_may_post,
        slow_mode: slow_mode.transpose()?,
        is_history_visible: request.is_history_visible,
    };
    Ok((parse_id("chat_id", &request.chat_id)?, changes))
}
