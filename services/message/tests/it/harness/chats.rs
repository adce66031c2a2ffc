use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use godwit_contract::chat::v1::chat_internal_service_server::{ChatInternalService, ChatInternalServiceServer};
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, PostingRefusal, SetDirectBlockRequest,
    SetDirectBlockResponse,
};
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Directory, LocalRoutes, ServerLayer, Target};
use std::sync::Mutex;
use tonic::service::Routes;
use tonic::{Request, Response, Status, async_trait};

#[derive(Clone, Default)]
struct Chat {
    members: BTreeSet<UserId>,
    readers: BTreeSet<UserId>,
    is_blocked: bool,
    version: u64,
}

/// A chat service in memory that counts what it is asked.
#[derive(Default)]
pub struct FakeChats {
    chats: Mutex<BTreeMap<ChatId, Chat>>,
    policy_reads: AtomicU64,
    id_reads: AtomicU64,
}

impl FakeChats {
    pub fn put(&self, chat_id: ChatId, members: &[UserId], version: u64) {
        let members = members.iter().copied().collect();
        self.chats.lock().unwrap().insert(chat_id, Chat { members, version, ..Chat::default() });
    }

    /// Takes a member out, and returns the version of the list without them.
    pub fn remove(&self, chat_id: ChatId, user: UserId) -> u64 {
        self.change(chat_id, |chat| chat.members.remove(&user))
    }

    /// Lets a member read only.
    pub fn silence(&self, chat_id: ChatId, user: UserId) -> u64 {
        self.change(chat_id, |chat| chat.readers.insert(user))
    }

    /// Lets a member post again.
    pub fn unsilence(&self, chat_id: ChatId, user: UserId) -> u64 {
        self.change(chat_id, |chat| chat.readers.remove(&user))
    }

    /// Lets nobody post because one blocks the other, or lets them again.
    pub fn set_blocked(&self, chat_id: ChatId, is_blocked: bool) -> u64 {
        self.change(chat_id, |chat| std::mem::replace(&mut chat.is_blocked, is_blocked) != is_blocked)
    }

    fn change(&self, chat_id: ChatId, change: impl FnOnce(&mut Chat) -> bool) -> u64 {
        let mut chats = self.chats.lock().unwrap();
        let chat = chats.get_mut(&chat_id).unwrap();
        assert!(change(chat));
        chat.version += 1;
        chat.version
    }

    /// How often a posting policy was asked for.
    pub fn policy_reads(&self) -> u64 {
        self.policy_reads.load(Ordering::Relaxed)
    }

    /// How often a page of chat ids was asked for.
    pub fn id_reads(&self) -> u64 {
        self.id_reads.load(Ordering::Relaxed)
    }

    /// A directory in which this is the chat service.
    pub fn directory(self: &Arc<Self>) -> Directory {
        let routes = LocalRoutes::new();
        let server = ChatInternalServiceServer::new(Served(Arc::clone(self)));
        routes.bind(Routes::new(server), &ServerLayer::default());
        Directory::new(routes, [Target::Chat])
    }
}

struct Served(Arc<FakeChats>);

#[async_trait]
impl ChatInternalService for Served {
    async fn get_posting_policy(
        &self,
        request: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        self.0.policy_reads.fetch_add(1, Ordering::Relaxed);
        let chats = self.0.chats.lock().unwrap();
        let user: UserId = request.get_ref().user_id.parse().unwrap();
        let chat = chats.get(&request.get_ref().chat_id.parse().unwrap());
        let answer = chat.filter(|chat| chat.members.contains(&user)).map(|chat| GetPostingPolicyResponse {
            is_member: true,
            may_post: !chat.readers.contains(&user) && !chat.is_blocked,
            membership_version: chat.version,
            refusal: if chat.is_blocked { PostingRefusal::Blocked.into() } else { 0 },
        });
        Ok(Response::new(answer.unwrap_or_default()))
    }

    async fn list_chat_ids(
        &self,
        request: Request<ListChatIdsRequest>,
    ) -> Result<Response<ListChatIdsResponse>, Status> {
        self.0.id_reads.fetch_add(1, Ordering::Relaxed);
        let ListChatIdsRequest { user_id, after_chat_id, limit } = request.into_inner();
        let user: UserId = user_id.parse().unwrap();
        let after: Option<ChatId> = (!after_chat_id.is_empty()).then(|| after_chat_id.parse().unwrap());
        let chats = self.0.chats.lock().unwrap();
        let mut ids: Vec<String> = chats
            .iter()
            .filter(|(id, chat)| after.is_none_or(|after| **id > after) && chat.members.contains(&user))
            .map(|(id, _)| id.to_string())
            .collect();
        let limit = limit as usize;
        let has_more = ids.len() > limit;
        ids.truncate(limit);
        Ok(Response::new(ListChatIdsResponse { chat_ids: ids, has_more }))
    }

    async fn list_members(&self, _: Request<ListMembersRequest>) -> Result<Response<ListMembersResponse>, Status> {
        Err(Status::unimplemented("the message service does not ask this"))
    }

    async fn list_direct_peers(
        &self,
        _: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        Err(Status::unimplemented("the message service does not ask this"))
    }

    async fn set_direct_block(
        &self,
        _: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        Err(Status::unimplemented("the message service does not ask this"))
    }
}
