use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use godwit_contract::chat::v1::chat_internal_service_server::{ChatInternalService, ChatInternalServiceServer};
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, OpenSavedMessagesRequest,
    OpenSavedMessagesResponse, SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_contract::message::v1::message_internal_service_server::{
    MessageInternalService, MessageInternalServiceServer,
};
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ChatHead, ClearHistoryRequest, ClearHistoryResponse, GetHeadsRequest,
    GetHeadsResponse, GetMessagesRequest, GetMessagesResponse, RaiseMembershipVersionRequest,
    RaiseMembershipVersionResponse, RankChatsRequest, RankChatsResponse, SendMessagesRequest, SendMessagesResponse,
};
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Directory, LocalRoutes, ServerLayer, Target};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// A chat service that knows memberships and nothing else, and a message service that knows who sees what.
#[derive(Clone, Default)]
pub struct FakeChats {
    members: Arc<Mutex<BTreeSet<(String, String)>>>,
    visible_from: Arc<Mutex<BTreeMap<(String, String), u64>>>,
    is_down: Arc<AtomicBool>,
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

    pub fn set_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    fn answer(&self) -> Result<(), Status> {
        if self.is_down.load(Ordering::Relaxed) { Err(Status::unavailable("down")) } else { Ok(()) }
    }

    pub fn directory(&self) -> Directory {
        let routes = LocalRoutes::new();
        let services = Routes::new(ChatInternalServiceServer::new(self.clone()))
            .add_service(MessageInternalServiceServer::new(self.clone()));
        routes.bind(services, &ServerLayer::default());
        Directory::new(routes, [Target::Chat, Target::Message])
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
impl MessageInternalService for FakeChats {
    async fn get_heads(&self, request: Request<GetHeadsRequest>) -> Result<Response<GetHeadsResponse>, Status> {
        self.answer()?;
        let GetHeadsRequest { chat_ids, viewer_id, .. } = request.into_inner();
        let visible_from = self.visible_from.lock().unwrap();
        let head = |chat_id: String| {
            let visible_from_seq = visible_from.get(&(chat_id.clone(), viewer_id.clone())).copied().unwrap_or_default();
            ChatHead { chat_id, visible_from_seq, ..ChatHead::default() }
        };
        Ok(Response::new(GetHeadsResponse { heads: chat_ids.into_iter().map(head).collect() }))
    }

    async fn append_update(&self, _: Request<AppendUpdateRequest>) -> Result<Response<AppendUpdateResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn raise_membership_version(
        &self,
        _: Request<RaiseMembershipVersionRequest>,
    ) -> Result<Response<RaiseMembershipVersionResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn send_messages(&self, _: Request<SendMessagesRequest>) -> Result<Response<SendMessagesResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn get_messages(&self, _: Request<GetMessagesRequest>) -> Result<Response<GetMessagesResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn rank_chats(&self, _: Request<RankChatsRequest>) -> Result<Response<RankChatsResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn clear_history(&self, _: Request<ClearHistoryRequest>) -> Result<Response<ClearHistoryResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }
}
