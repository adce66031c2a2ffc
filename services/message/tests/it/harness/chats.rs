use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use godwit_chat::domain::{Kind, Right, Role, Standing, WhoMayPost};
use godwit_chat::events::encode::{encode_kind, encode_right};
use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalServiceServer;
use godwit_contract::chat::v1::chat_internal_service_server::{ChatInternalService, ChatInternalServiceServer};
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, OpenSavedMessagesRequest,
    OpenSavedMessagesResponse, PostingRefusal, SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_contract::media::v1::media_internal_service_server::MediaInternalServiceServer;
use godwit_contract::v1::ChatKind;
use godwit_kernel::{ChatId, UserId};
use godwit_message::app::App;
use godwit_rpc::{Directory, LocalRoutes, ServerLayer, Target};
use tonic::service::Routes;
use tonic::{Request, Response, Status, async_trait};

use super::neighbours::{FakeMedia, FakeUsers, ServedMedia, ServedUsers};

struct Chat {
    kind: Kind,
    members: BTreeMap<UserId, Role>,
    who_may_post: WhoMayPost,
    is_blocked: bool,
    slow_mode_secs: u32,
    /// As the policy tells it; the members that there are when it is 0.
    member_count: u32,
    version: u64,
}

impl Chat {
    /// What the chat service answers about a member, by its own table of rights.
    fn policy(&self, role: Role) -> GetPostingPolicyResponse {
        let Self { kind, who_may_post, is_blocked, .. } = *self;
        let standing = Standing { kind, role, who_may_post, is_blocked };
        let may_post = standing.allows(Right::Post);
        let refusal = if is_blocked && !may_post { PostingRefusal::Blocked } else { PostingRefusal::Unspecified };
        GetPostingPolicyResponse {
            is_member: true,
            may_post,
            membership_version: self.version,
            refusal: refusal.into(),
            kind: encode_kind(kind).into(),
            rights: standing.rights().map(|right| encode_right(right).into()).collect(),
            slow_mode_secs: if standing.allows(Right::SkipSlowMode) { 0 } else { self.slow_mode_secs },
            member_count: self.member_count.max(u32::try_from(self.members.len()).unwrap()),
            is_public: false,
        }
    }
}

/// A chat service in memory that counts what it is asked.
#[derive(Default)]
pub struct FakeChats {
    chats: Mutex<BTreeMap<ChatId, Chat>>,
    policy_reads: AtomicU64,
    id_reads: AtomicU64,
    ids_read: AtomicU64,
    openings: AtomicU64,
    /// Where it has the logs of Saved Messages begun.
    app: Mutex<Weak<App>>,
    pub users: Arc<FakeUsers>,
    pub media: Arc<FakeMedia>,
}

impl FakeChats {
    pub fn put(&self, chat_id: ChatId, members: &[UserId], version: u64) {
        self.put_kind(chat_id, ChatKind::Direct, members, version);
    }

    /// A chat of a kind; the first member is its owner where there is one.
    pub fn put_kind(&self, chat_id: ChatId, kind: ChatKind, members: &[UserId], version: u64) {
        let kind = Kind::ALL.into_iter().find(|one| encode_kind(*one) == kind).unwrap();
        let first = if kind == Kind::Direct { Role::Member } else { Role::Owner };
        let roles = std::iter::once(first).chain(std::iter::repeat(Role::Member));
        let chat = Chat {
            kind,
            members: members.iter().copied().zip(roles).collect(),
            who_may_post: WhoMayPost::default(),
            is_blocked: false,
            slow_mode_secs: 0,
            member_count: 0,
            version,
        };
        self.chats.lock().unwrap().insert(chat_id, chat);
    }

    /// Where the logs of Saved Messages are begun from now on.
    pub fn serve(&self, app: &Arc<App>) {
        *self.app.lock().unwrap() = Arc::downgrade(app);
    }

    /// How often somebody's Saved Messages were asked for.
    pub fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    /// A new member, which is no reason for another version.
    pub fn add(&self, chat_id: ChatId, user: UserId) {
        self.chats.lock().unwrap().get_mut(&chat_id).unwrap().members.insert(user, Role::Member);
    }

    /// An admin more, which is no reason for another version.
    pub fn promote(&self, chat_id: ChatId, user: UserId) {
        self.chats.lock().unwrap().get_mut(&chat_id).unwrap().members.insert(user, Role::Admin);
    }

    /// An admin less, and the version of the list that says so.
    pub fn demote(&self, chat_id: ChatId, user: UserId) -> u64 {
        self.change(chat_id, |chat| chat.members.insert(user, Role::Member) == Some(Role::Admin))
    }

    /// Another pause between two messages.
    pub fn slow_down(&self, chat_id: ChatId, slow_mode_secs: u32) {
        self.chats.lock().unwrap().get_mut(&chat_id).unwrap().slow_mode_secs = slow_mode_secs;
    }

    /// Says that a chat has so many members.
    pub fn count_members(&self, chat_id: ChatId, member_count: u32) {
        self.chats.lock().unwrap().get_mut(&chat_id).unwrap().member_count = member_count;
    }

    /// Takes a member out, and returns the version of the list without them.
    pub fn remove(&self, chat_id: ChatId, user: UserId) -> u64 {
        self.change(chat_id, |chat| chat.members.remove(&user).is_some())
    }

    /// Lets only the owner and the admins of a group post.
    pub fn silence(&self, chat_id: ChatId) -> u64 {
        self.let_post(chat_id, WhoMayPost::Admins)
    }

    /// Lets all members of a group post again.
    pub fn unsilence(&self, chat_id: ChatId) -> u64 {
        self.let_post(chat_id, WhoMayPost::Members)
    }

    fn let_post(&self, chat_id: ChatId, who: WhoMayPost) -> u64 {
        self.change(chat_id, |chat| chat.kind == Kind::Group && std::mem::replace(&mut chat.who_may_post, who) != who)
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

    /// How many chat ids were given.
    pub fn ids_read(&self) -> u64 {
        self.ids_read.load(Ordering::Relaxed)
    }

    /// A directory in which these are the other services.
    pub fn directory(self: &Arc<Self>) -> Directory {
        let routes = LocalRoutes::new();
        let chats = ChatInternalServiceServer::new(Served(Arc::clone(self)));
        let users = AuthInternalServiceServer::new(ServedUsers(Arc::clone(&self.users)));
        let media = MediaInternalServiceServer::new(ServedMedia(Arc::clone(&self.media)));
        let services = Routes::new(chats).add_service(users).add_service(media);
        routes.bind(services, &ServerLayer::default());
        Directory::new(routes, [Target::Chat, Target::Auth, Target::Media])
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
        let answer = chat.and_then(|chat| chat.members.get(&user).map(|role| chat.policy(*role)));
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
            .filter(|(id, chat)| after.is_none_or(|after| **id > after) && chat.members.contains_key(&user))
            .map(|(id, _)| id.to_string())
            .collect();
        let limit = limit as usize;
        let has_more = ids.len() > limit;
        ids.truncate(limit);
        self.0.ids_read.fetch_add(ids.len() as u64, Ordering::Relaxed);
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

    async fn open_saved_messages(
        &self,
        request: Request<OpenSavedMessagesRequest>,
    ) -> Result<Response<OpenSavedMessagesResponse>, Status> {
        self.0.openings.fetch_add(1, Ordering::Relaxed);
        let user: UserId = request.get_ref().user_id.parse().unwrap();
        let chat_id = godwit_message::domain::own_log(user);
        self.0.put_kind(chat_id, ChatKind::Saved, &[user], 1);
        let app = self.0.app.lock().unwrap().upgrade();
        let app = app.ok_or_else(|| Status::unavailable("no log is kept"))?;
        let mut begin = super::created_as(ChatKind::Saved, chat_id, &[user]);
        begin.event_id = godwit_kernel::EventId::from_uuid(user.as_uuid());
        app.append_update(begin).await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(OpenSavedMessagesResponse {}))
    }

    async fn set_direct_block(
        &self,
        _: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        Err(Status::unimplemented("the message service does not ask this"))
    }
}
