use godwit_contract::chat::v1::channel_service_server::ChannelService;
use godwit_contract::chat::v1::{
    CreateChannelRequest, CreateChannelResponse, GetChannelRequest, GetChannelResponse, ListSubscribersRequest,
    ListSubscribersResponse, SubscribeRequest, SubscribeResponse, UnsubscribeRequest, UnsubscribeResponse,
};
use godwit_rpc::{Caller, InvalidField, idempotency_key, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use super::decode::{client_chat_id, description, handle, optional_id, people_page, title};
use super::encode::{encode_chat, encode_member_view};
use crate::app::ChatToMake;
use crate::domain::{Handle, Info, Kind};
use crate::error::Error;
use crate::events::encode::encode_info;

#[async_trait]
impl ChannelService for Server {
    async fn create_channel(
        &self,
        request: Request<CreateChannelRequest>,
    ) -> Result<Response<CreateChannelResponse>, Status> {
        let caller = Caller::of(&request)?;
        let key = idempotency_key(&request).map_err(to_status)?;
        let wish = decode_channel(request.into_inner(), key).map_err(to_status)?;
        let made = self.0.create_chat(caller.user_id, wish).await.map_err(to_status)?;
        Ok(Response::new(CreateChannelResponse { chat: Some(encode_chat(made.chat)) }))
    }

    async fn get_channel(&self, request: Request<GetChannelRequest>) -> Result<Response<GetChannelResponse>, Status> {
        let caller = Caller::of(&request)?;
        // What can be no handle is nobody's.
        let handle = Handle::parse(&request.get_ref().handle).map_err(|_| to_status(Error::ChatNotFound))?;
        let view = self.0.get_channel(caller.user_id, &handle).await.map_err(to_status)?;
        Ok(Response::new(GetChannelResponse {
            chat_id: view.chat.id.to_string(),
            info: Some(encode_info(&view.chat.info)),
            subscriber_count: view.chat.member_count,
            is_subscribed: view.is_subscribed,
        }))
    }

    async fn subscribe(&self, request: Request<SubscribeRequest>) -> Result<Response<SubscribeResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let chat = self.0.subscribe(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(SubscribeResponse { chat: Some(encode_chat(chat)) }))
    }

    async fn unsubscribe(&self, request: Request<UnsubscribeRequest>) -> Result<Response<UnsubscribeResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        self.0.unsubscribe(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(UnsubscribeResponse {}))
    }

    async fn list_subscribers(
        &self,
        request: Request<ListSubscribersRequest>,
    ) -> Result<Response<ListSubscribersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListSubscribersRequest { chat_id, limit, cursor } = request.get_ref();
        let (chat_id, cursor, limit) = people_page(chat_id, cursor, *limit).map_err(to_status)?;
        let page = self.0.list_subscribers(caller.user_id, chat_id, cursor, limit).await.map_err(to_status)?;
        Ok(Response::new(ListSubscribersResponse {
            subscribers: page.items.into_iter().map(encode_member_view).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.encode()).unwrap_or_default(),
        }))
    }
}

fn decode_channel(request: CreateChannelRequest, key: Option<String>) -> Result<ChatToMake, InvalidField> {
    let (title, description) = (title(&request.title)?, description(&request.description)?);
    let avatar_id = optional_id("avatar_media_id", &request.avatar_media_id)?;
    let info = Info::first(Kind::Channel, title, description, avatar_id);
    Ok(ChatToMake {
        kind: Kind::Channel,
        info: Info { handle: handle(&request.handle)?, ..info },
        member_ids: Vec::new(),
        client_chat_id: client_chat_id(request.client_chat_id, key)?,
    })
}
