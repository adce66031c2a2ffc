use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::auth::v1::directory_internal_service_server::DirectoryInternalServiceServer as AuthDirectoryServer;
use godwit_contract::chat::v1::channel_service_server::{ChannelService, ChannelServiceServer};
use godwit_contract::chat::v1::chat_internal_service_server::{ChatInternalService, ChatInternalServiceServer};
use godwit_contract::chat::v1::directory_internal_service_server::{
    DirectoryInternalService as ChatDirectory, DirectoryInternalServiceServer as ChatDirectoryServer,
};
use godwit_contract::chat::v1::{
    CreateChannelRequest, CreateChannelResponse, GetChannelRequest, GetChannelResponse, GetPostingPolicyRequest,
    GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest, ListDirectPeersResponse,
    ListMembersRequest, ListMembersResponse, ListPublicChannelsRequest, ListPublicChannelsResponse,
    ListSubscribersRequest, ListSubscribersResponse, OpenSavedMessagesRequest, OpenSavedMessagesResponse,
    PublicChannel, SetDirectBlockRequest, SetDirectBlockResponse, SubscribeRequest, SubscribeResponse,
    UnsubscribeRequest, UnsubscribeResponse,
};
use godwit_contract::message::v1::index_internal_service_server::{IndexInternalService, IndexInternalServiceServer};
use godwit_contract::message::v1::{
    GetSeenMessagesRequest, GetSeenMessagesResponse, ListAllMessagesRequest, ListAllMessagesResponse, ListedMessage,
};
use godwit_contract::v1::Message;
use godwit_kernel::{ChatId, MessageId, UserId};
use godwit_rpc::{Directory, LocalRoutes, ServerLayer, Target};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::fake_people::FakePeople;

/// A chat service that knows memberships and channels, and a message service that knows who sees what.
#[derive(Clone, Default)]
pub struct FakeChats {
    members: Arc<Mutex<BTreeSet<(String, String)>>>,
    visible_from: Arc<Mutex<BTreeMap<(String, String), u64>>>,
    /// The head of each chat that is not `AS_OF`.
    heads: Arc<Mutex<BTreeMap<String, u64>>>,
    messages: Arc<Mutex<BTreeMap<Address, Message>>>,
    deleted: Arc<Mutex<BTreeSet<Address>>>,
    hidden: Arc<Mutex<BTreeSet<(String, String)>>>,
    channels: Arc<Mutex<BTreeMap<String, GetChannelResponse>>>,
    people: FakePeople,
    is_down: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

/// The head of a chat of which nothing else is said.
pub const AS_OF: u64 = 1_000;

/// Of a message, in the order in which all are listed.
type Address = ([u8; 16], u64);

trait Key {
    fn key(&self) -> Address;
}

impl Key for MessageId {
    fn key(&self) -> Address {
        (*self.chat_id.as_bytes(), self.seq.get())
    }
}

impl FakeChats {
    pub fn join(&self, chat_id: ChatId, user_id: UserId) {
        self.members.lock().unwrap().insert((chat_id.to_string(), user_id.to_string()));
    }

    pub fn leave(&self, chat_id: ChatId, user_id: UserId) {
        self.members.lock().unwrap().remove(&(chat_id.to_string(), user_id.to_string()));
    }

    /// A member sees nothing of a chat before this place.
    pub fn hide_before(&self, chat_id: ChatId, user_id: UserId, seq: u64) {
        self.visible_from.lock().unwrap().insert((chat_id.to_string(), user_id.to_string()), seq);
    }

    /// What an update does, and the head of its chat with it: no list has one without the other.
    pub fn commit<T>(&self, chat_id: ChatId, head: u64, change: impl FnOnce() -> T) -> T {
        let mut heads = self.heads.lock().unwrap();
        heads.insert(chat_id.to_string(), head);
        change()
    }

    /// All that are there.
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().values().cloned().collect()
    }

    /// A message says this from now on, unless it was deleted.
    pub fn say(&self, message: Message) {
        let key = message.id.parse::<MessageId>().unwrap().key();
        if !self.deleted.lock().unwrap().contains(&key) {
            self.messages.lock().unwrap().insert(key, message);
        }
    }

    pub fn delete(&self, id: MessageId) {
        self.deleted.lock().unwrap().insert(id.key());
        self.messages.lock().unwrap().remove(&id.key());
    }

    /// Somebody deletes a message for themselves.
    pub fn hide(&self, id: &str, user_id: UserId) {
        self.hidden.lock().unwrap().insert((id.to_owned(), user_id.to_string()));
    }

    pub fn put_channel(&self, handle: &str, channel: GetChannelResponse) {
        self.channels.lock().unwrap().insert(handle.to_owned(), channel);
    }

    pub fn remove_channel(&self, handle: &str) {
        self.channels.lock().unwrap().remove(handle);
    }

    pub const fn people(&self) -> &FakePeople {
        &self.people
    }

    pub fn set_up(&self) {
        self.is_down.store(false, Ordering::Relaxed);
    }

    pub fn set_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    /// How many calls came while it was down.
    pub fn refused_count(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    fn answer(&self) -> Result<(), Status> {
        if !self.is_down.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Status::unavailable("down"))
    }

    pub fn directory(&self) -> Directory {
        let routes = LocalRoutes::new();
        let services = Routes::new(ChatInternalServiceServer::new(self.clone()))
            .add_service(ChannelServiceServer::new(self.clone()))
            .add_service(ChatDirectoryServer::new(self.clone()))
            .add_service(AuthDirectoryServer::new(self.people.clone()))
            .add_service(AuthInternalServiceServer::new(self.people.clone()))
            .add_service(IndexInternalServiceServer::new(self.clone()));
        routes.bind(services, &ServerLayer::default());
        Directory::new(routes, [Target::Auth, Target::Chat, Target::Message])
    }
}

#[tonic::async_trait]
impl ChatInternalService for FakeChats {
    async fn get_posting_policy(
        &self,
        request: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        self.answer()?;
        let request = request.into_inner();
        let is_member = self.members.lock().unwrap().contains(&(request.chat_id, request.user_id));
        Ok(Response::new(GetPostingPolicyResponse {
            is_member,
            may_post: is_member,
            membership_version: 1,
            ..GetPostingPolicyResponse::default()
        }))
    }

    /// Two a page, so that every test of more chats pages.
    async fn list_chat_ids(
        &self,
        request: Request<ListChatIdsRequest>,
    ) -> Result<Response<ListChatIdsResponse>, Status> {
        self.answer()?;
        let ListChatIdsRequest { user_id, after_chat_id, .. } = request.into_inner();
        let members = self.members.lock().unwrap();
        let theirs = members.iter().filter(|(chat, user)| *user == user_id && *chat > after_chat_id);
        let mut chat_ids: Vec<String> = theirs.map(|(chat, _)| chat.clone()).take(3).collect();
        let has_more = chat_ids.len() > 2;
        chat_ids.truncate(2);
        Ok(Response::new(ListChatIdsResponse { chat_ids, has_more }))
    }

    async fn set_direct_block(
        &self,
        _: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn list_members(&self, _: Request<ListMembersRequest>) -> Result<Response<ListMembersResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn open_saved_messages(
        &self,
        _: Request<OpenSavedMessagesRequest>,
    ) -> Result<Response<OpenSavedMessagesResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn list_direct_peers(
        &self,
        _: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }
}

#[tonic::async_trait]
impl IndexInternalService for FakeChats {
    async fn get_seen_messages(
        &self,
        request: Request<GetSeenMessagesRequest>,
    ) -> Result<Response<GetSeenMessagesResponse>, Status> {
        self.answer()?;
        let GetSeenMessagesRequest { message_ids, viewer_id } = request.into_inner();
        let (messages, visible_from) = (self.messages.lock().unwrap(), self.visible_from.lock().unwrap());
        let hidden = self.hidden.lock().unwrap();
        let seen = message_ids.iter().filter_map(|id| messages.get(&id.parse::<MessageId>().unwrap().key()));
        let seen = seen.filter(|message| {
            let from = visible_from.get(&(message.chat_id.clone(), viewer_id.clone())).copied().unwrap_or_default();
            message.seq >= from && !hidden.contains(&(message.id.clone(), viewer_id.clone()))
        });
        Ok(Response::new(GetSeenMessagesResponse { messages: seen.cloned().collect() }))
    }

    /// Three a page, so that every test of more messages pages.
    async fn list_all_messages(
        &self,
        request: Request<ListAllMessagesRequest>,
    ) -> Result<Response<ListAllMessagesResponse>, Status> {
        self.answer()?;
        let after = request.into_inner().after_message_id.parse::<MessageId>().ok().map(|id| id.key());
        let (heads, messages) = (self.heads.lock().unwrap(), self.messages.lock().unwrap());
        let behind = messages.iter().filter(|(key, _)| after.is_none_or(|after| **key > after));
        let mut listed: Vec<ListedMessage> = behind
            .take(4)
            .map(|(_, message)| ListedMessage {
                message: Some(message.clone()),
                as_of_seq: heads.get(&message.chat_id).copied().unwrap_or(AS_OF),
                epoch: "first".to_owned(),
            })
            .collect();
        let has_more = listed.len() > 3;
        listed.truncate(3);
        Ok(Response::new(ListAllMessagesResponse { messages: listed, has_more }))
    }
}

#[tonic::async_trait]
impl ChatDirectory for FakeChats {
    /// One a page.
    async fn list_public_channels(
        &self,
        request: Request<ListPublicChannelsRequest>,
    ) -> Result<Response<ListPublicChannelsResponse>, Status> {
        let after = request.into_inner().after_chat_id;
        let channels = self.channels.lock().unwrap();
        let mut listed: Vec<PublicChannel> = channels
            .values()
            .map(|channel| PublicChannel { chat_id: channel.chat_id.clone(), info: channel.info.clone() })
            .filter(|channel| channel.chat_id > after)
            .collect();
        listed.sort_by(|one, other| one.chat_id.cmp(&other.chat_id));
        let has_more = listed.len() > 1;
        listed.truncate(1);
        Ok(Response::new(ListPublicChannelsResponse { channels: listed, has_more }))
    }
}

#[tonic::async_trait]
impl ChannelService for FakeChats {
    async fn get_channel(&self, request: Request<GetChannelRequest>) -> Result<Response<GetChannelResponse>, Status> {
        self.answer()?;
        let channels = self.channels.lock().unwrap();
        let channel = channels.get(&request.into_inner().handle).cloned();
        channel.map(Response::new).ok_or_else(|| Status::not_found("no such channel"))
    }

    async fn create_channel(
        &self,
        _: Request<CreateChannelRequest>,
    ) -> Result<Response<CreateChannelResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn subscribe(&self, _: Request<SubscribeRequest>) -> Result<Response<SubscribeResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn unsubscribe(&self, _: Request<UnsubscribeRequest>) -> Result<Response<UnsubscribeResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn list_subscribers(
        &self,
        _: Request<ListSubscribersRequest>,
    ) -> Result<Response<ListSubscribersResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }
}
