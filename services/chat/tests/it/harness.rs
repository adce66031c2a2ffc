//! One database, two replicas of the chat service on it, and the services beside it.

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl as _;
use godwit_chat::app::App;
use godwit_chat::grpc::Server;
use godwit_chat::{Config, Parts, store};
use godwit_contract::chat::v1 as api;
use godwit_contract::chat::v1::channel_service_server::ChannelService as _;
use godwit_contract::chat::v1::chat_service_server::ChatService as _;
use godwit_contract::chat::v1::invite_service_server::InviteService as _;
use godwit_contract::chat::v1::member_service_server::MemberService as _;
use godwit_contract::chat::v1::settings_service_server::SettingsService as _;
use godwit_contract::events::v1::LivePayload;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::v1 as pb;
use godwit_kernel::{Clock, DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_live::memory::MemoryLive;
use godwit_live::{Channel, Delivery, Live, Subscription};
use godwit_pg::Pool;
use godwit_rpc::{Caller, Failure};
use godwit_runtime::Tasks;
use godwit_testkit::{TestClock, TestDb};
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::{Request, Status};

use crate::neighbours::Neighbours;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Bed {
    _db: TestDb,
    pub pool: Pool,
    pub clock: Arc<TestClock>,
    pub neighbours: Neighbours,
    pub live: Arc<MemoryLive>,
    pub replicas: [Replica; 2],
}

pub struct Replica {
    pub app: Arc<App>,
    pub server: Server,
}

impl Bed {
    /// With workers that look every 20 ms; what is due to them is decided by the test's clock.
    pub async fn new() -> Self {
        let db = TestDb::new(&[&store::SCHEMA]).await;
        let clock = Arc::new(TestClock::default());
        let (neighbours, live, tasks) = (Neighbours::default(), Arc::new(MemoryLive::new()), Tasks::new());
        let replicas = [0, 1].map(|_| {
            let parts = Parts {
                pool: db.pool(&store::SCHEMA),
                directory: neighbours.directory(),
                live: Arc::clone(&live) as Arc<dyn Live>,
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
                entropy: Arc::new(SystemEntropy),
                tasks: tasks.clone(),
            };
            let app = parts.launch(&Config { delivery_interval_ms: 20 });
            Replica { server: Server(Arc::clone(&app)), app }
        });
        Self { pool: db.pool(&store::SCHEMA), _db: db, clock, neighbours, live, replicas }
    }

    /// Somebody with an account.
    pub fn person(&self) -> UserId {
        let user_id = UserId::generate(&SystemClock, &SystemEntropy);
        self.neighbours.add_user(user_id);
        user_id
    }

    /// A user's requests to a replica.
    pub fn client(&self, replica: usize, user_id: UserId) -> Client {
        let session_id = SessionId::generate(&SystemClock, &SystemEntropy);
        let device_id = DeviceId::generate(&SystemClock, &SystemEntropy);
        let caller = Caller { user_id, session_id, device_id };
        Client { server: self.replicas[replica].server.clone(), caller: Some(caller), key: None }
    }

    /// Requests that name no user.
    pub fn nobody(&self) -> Client {
        Client { server: self.replicas[0].server.clone(), caller: None, key: None }
    }

    pub async fn number(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let mut conn = self.pool.get().await.unwrap();
        let query = diesel::sql_query(format!("SELECT ({sql})::bigint AS number"));
        query.get_result::<Row>(&mut conn).await.unwrap().number
    }

    /// A gateway that follows a chat.
    pub async fn gateway_at(&self, chat_id: &str) -> Gateway {
        let (subscription, deliveries) = self.live.subscribe(100).await.unwrap();
        subscription.add(&[Channel::Chat(chat_id.parse().unwrap())]).await.unwrap();
        Gateway { _subscription: subscription, deliveries }
    }

    /// A gateway with a socket of this user.
    pub async fn gateway_of(&self, user_id: UserId) -> Gateway {
        let (subscription, deliveries) = self.live.subscribe(100).await.unwrap();
        subscription.add(&[Channel::User(user_id)]).await.unwrap();
        Gateway { _subscription: subscription, deliveries }
    }
}

pub struct Gateway {
    _subscription: Box<dyn Subscription>,
    deliveries: mpsc::Receiver<Delivery>,
}

impl Gateway {
    /// What it is told next.
    pub async fn told(&mut self) -> Payload {
        let delivery = tokio::time::timeout(PATIENCE, self.deliveries.recv()).await.unwrap().unwrap();
        let Delivery::Message { payload, .. } = delivery else { panic!("interrupted") };
        LivePayload::decode(payload).unwrap().payload.unwrap()
    }

    /// The chats that it is told to follow next.
    pub async fn told_to_follow(&mut self) -> Vec<String> {
        match self.told().await {
            Payload::Joined(interest) => interest.chat_ids,
            other => panic!("not an interest: {other:?}"),
        }
    }

    /// The chats that it is told to follow no longer.
    pub async fn told_to_stop(&mut self) -> Vec<String> {
        match self.told().await {
            Payload::Left(interest) => interest.chat_ids,
            other => panic!("not an end of interest: {other:?}"),
        }
    }

    /// The draft that it is told of next.
    pub async fn told_draft(&mut self) -> pb::Draft {
        let Payload::ServerFrame(frame) = self.told().await else { panic!("not a frame") };
        match pb::ServerFrame::decode(frame).unwrap().frame {
            Some(pb::server_frame::Frame::Draft(draft)) => draft,
            other => panic!("not a draft: {other:?}"),
        }
    }

    pub fn was_told_nothing(&mut self) -> bool {
        self.deliveries.try_recv().is_err()
    }
}

#[derive(Clone)]
pub struct Client {
    server: Server,
    caller: Option<Caller>,
    key: Option<String>,
}

/// Methods of a client that send a request as it is, one an RPC.
macro_rules! rpcs {
    ($($name:ident($request:ident) -> $response:ident;)+) => {
        impl Client {$(
            pub async fn $name(&self, message: api::$request) -> Result<api::$response, Status> {
                Ok(self.server.$name(self.request(message)).await?.into_inner())
            }
        )+}
    };
}

rpcs! {
    create_direct_chat(CreateDirectChatRequest) -> CreateDirectChatResponse;
    list_chats(ListChatsRequest) -> ListChatsResponse;
    get_saved_messages(GetSavedMessagesRequest) -> GetSavedMessagesResponse;
    create_group(CreateGroupRequest) -> CreateGroupResponse;
    get_chat(GetChatRequest) -> GetChatResponse;
    update_chat(UpdateChatRequest) -> UpdateChatResponse;
    delete_chat(DeleteChatRequest) -> DeleteChatResponse;
    list_chat_members(ListChatMembersRequest) -> ListChatMembersResponse;
    add_members(AddMembersRequest) -> AddMembersResponse;
    change_role(ChangeRoleRequest) -> ChangeRoleResponse;
    remove_member(RemoveMemberRequest) -> RemoveMemberResponse;
    transfer_ownership(TransferOwnershipRequest) -> TransferOwnershipResponse;
    leave_chat(LeaveChatRequest) -> LeaveChatResponse;
    ban_user(BanUserRequest) -> BanUserResponse;
    unban_user(UnbanUserRequest) -> UnbanUserResponse;
    list_bans(ListBansRequest) -> ListBansResponse;
    create_channel(CreateChannelRequest) -> CreateChannelResponse;
    get_channel(GetChannelRequest) -> GetChannelResponse;
    subscribe(SubscribeRequest) -> SubscribeResponse;
    unsubscribe(UnsubscribeRequest) -> UnsubscribeResponse;
    list_subscribers(ListSubscribersRequest) -> ListSubscribersResponse;
    create_invite(CreateInviteRequest) -> CreateInviteResponse;
    list_invites(ListInvitesRequest) -> ListInvitesResponse;
    revoke_invites(RevokeInvitesRequest) -> RevokeInvitesResponse;
    get_invite(GetInviteRequest) -> GetInviteResponse;
    join_by_invite(JoinByInviteRequest) -> JoinByInviteResponse;
    list_join_requests(ListJoinRequestsRequest) -> ListJoinRequestsResponse;
    accept_join_request(AcceptJoinRequestRequest) -> AcceptJoinRequestResponse;
    reject_join_request(RejectJoinRequestRequest) -> RejectJoinRequestResponse;
    mute_chat(MuteChatRequest) -> MuteChatResponse;
    unmute_chat(UnmuteChatRequest) -> UnmuteChatResponse;
    archive_chat(ArchiveChatRequest) -> ArchiveChatResponse;
    unarchive_chat(UnarchiveChatRequest) -> UnarchiveChatResponse;
    get_draft(GetDraftRequest) -> GetDraftResponse;
    set_draft(SetDraftRequest) -> SetDraftResponse;
    delete_draft(DeleteDraftRequest) -> DeleteDraftResponse;
    list_folders(ListFoldersRequest) -> ListFoldersResponse;
    create_folder(CreateFolderRequest) -> CreateFolderResponse;
    update_folder(UpdateFolderRequest) -> UpdateFolderResponse;
    delete_folder(DeleteFolderRequest) -> DeleteFolderResponse;
}

impl Client {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(caller) = &self.caller {
            caller.attach(&mut request);
        }
        if let Some(key) = &self.key {
            request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        }
        request
    }

    /// The same with an `Idempotency-Key`.
    pub fn under(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// A group of the caller with these people.
    pub async fn group(&self, members: &[UserId]) -> pb::Chat {
        let member_ids = members.iter().map(UserId::to_string).collect();
        let request = api::CreateGroupRequest { title: "A group".to_owned(), member_ids, ..Default::default() };
        self.create_group(request).await.unwrap().chat.unwrap()
    }

    /// A channel of the caller; public when it has a handle.
    pub async fn channel(&self, handle: &str) -> pb::Chat {
        let (title, handle) = ("A channel".to_owned(), handle.to_owned());
        let request = api::CreateChannelRequest { title, handle, ..Default::default() };
        self.create_channel(request).await.unwrap().chat.unwrap()
    }

    pub async fn add(&self, chat_id: &str, people: &[UserId]) -> Result<api::AddMembersResponse, Status> {
        let user_ids = people.iter().map(UserId::to_string).collect();
        self.add_members(api::AddMembersRequest { chat_id: chat_id.to_owned(), user_ids }).await
    }

    pub async fn remove(&self, chat_id: &str, user_id: UserId) -> Result<(), Status> {
        let (chat_id, user_id) = (chat_id.to_owned(), user_id.to_string());
        self.remove_member(api::RemoveMemberRequest { chat_id, user_id }).await.map(drop)
    }

    pub async fn ban(&self, chat_id: &str, user_id: UserId) -> Result<(), Status> {
        let (chat_id, user_id) = (chat_id.to_owned(), user_id.to_string());
        self.ban_user(api::BanUserRequest { chat_id, user_id }).await.map(drop)
    }

    pub async fn unban(&self, chat_id: &str, user_id: UserId) -> Result<(), Status> {
        let (chat_id, user_id) = (chat_id.to_owned(), user_id.to_string());
        self.unban_user(api::UnbanUserRequest { chat_id, user_id }).await.map(drop)
    }

    pub async fn role(&self, chat_id: &str, user_id: UserId, role: pb::ChatRole) -> Result<pb::Member, Status> {
        let (chat_id, user_id) = (chat_id.to_owned(), user_id.to_string());
        let request = api::ChangeRoleRequest { chat_id, user_id, role: role.into() };
        Ok(self.change_role(request).await?.member.unwrap())
    }

    pub async fn transfer(&self, chat_id: &str, user_id: UserId) -> Result<(), Status> {
        let (chat_id, user_id) = (chat_id.to_owned(), user_id.to_string());
        self.transfer_ownership(api::TransferOwnershipRequest { chat_id, user_id }).await.map(drop)
    }

    pub async fn leave(&self, chat_id: &str) -> Result<(), Status> {
        self.leave_chat(api::LeaveChatRequest { chat_id: chat_id.to_owned() }).await.map(drop)
    }

    pub async fn follow(&self, chat_id: &str) -> Result<pb::Chat, Status> {
        let request = api::SubscribeRequest { chat_id: chat_id.to_owned() };
        Ok(self.subscribe(request).await?.chat.unwrap())
    }

    pub async fn invite(&self, chat_id: &str, uses_max: u32, needs_approval: bool) -> Result<api::Invite, Status> {
        let chat_id = chat_id.to_owned();
        let request = api::CreateInviteRequest { chat_id, uses_max, needs_approval, expires_at: None };
        Ok(self.create_invite(request).await?.invite.unwrap())
    }

    pub async fn join(&self, code: &str) -> Result<api::JoinByInviteResponse, Status> {
        self.join_by_invite(api::JoinByInviteRequest { code: code.to_owned() }).await
    }

    /// All members of a chat and their roles, by user id.
    pub async fn members(&self, chat_id: &str) -> Result<Vec<(UserId, pb::ChatRole)>, Status> {
        let request = api::ListChatMembersRequest { chat_id: chat_id.to_owned(), limit: 200, ..Default::default() };
        let members = self.list_chat_members(request).await?.members.into_iter().map(|view| view.member.unwrap());
        Ok(members.map(|member| (member.user_id.parse().unwrap(), member.role())).collect())
    }

    pub async fn create(&self, user_id: impl ToString) -> Result<pb::Chat, Status> {
        let request = api::CreateDirectChatRequest { user_id: user_id.to_string() };
        Ok(self.create_direct_chat(request).await?.chat.unwrap())
    }

    pub async fn get(&self, chat_id: &str) -> Result<pb::Chat, Status> {
        Ok(self.get_chat(api::GetChatRequest { chat_id: chat_id.to_owned() }).await?.chat.unwrap())
    }

    pub async fn list(&self, limit: u32, cursor: &str) -> Result<api::ListChatsResponse, Status> {
        self.list_chats(api::ListChatsRequest { limit, cursor: cursor.to_owned(), ..Default::default() }).await
    }
}

/// The stable name of a refusal.
pub fn reason(status: &Status) -> String {
    Failure::from_status(status).reason
}

/// The same of an answer; empty when nothing was refused.
pub fn refusal<T>(answer: &Result<T, Status>) -> String {
    answer.as_ref().err().map(reason).unwrap_or_default()
}
