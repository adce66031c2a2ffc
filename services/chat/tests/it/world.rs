use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use godwit_chat::app::App;
use godwit_chat::clients::{Logs, Users};
use godwit_chat::store;
use godwit_contract::auth::v1::auth_internal_service_server::{AuthInternalService, AuthInternalServiceServer};
use godwit_contract::auth::v1::{GetUsersRequest, GetUsersResponse, ListRevocationsRequest, ListRevocationsResponse};
use godwit_contract::events::v1::{LivePayload, live_payload};
use godwit_contract::message::v1::message_internal_service_server::{
    MessageInternalService, MessageInternalServiceServer,
};
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ChatHead, GetHeadsRequest, GetHeadsResponse,
};
use godwit_contract::v1::{Update, User};
use godwit_kernel::{SystemEntropy, UserId};
use godwit_live::memory::MemoryLive;
use godwit_live::{Channel, Delivery, Live as _, Subscription};
use godwit_rpc::{Directory, LocalRoutes, ServerLayer, Target};
use godwit_testkit::{TestClock, TestDb};
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// A replica of the service between fake neighbours.
pub struct World {
    pub app: Arc<App>,
    pub clock: Arc<TestClock>,
    pub neighbours: Neighbours,
    pub live: Arc<MemoryLive>,
    _db: TestDb,
}

impl World {
    pub async fn new() -> Self {
        let db = TestDb::new(&[&store::SCHEMA]).await;
        let (clock, live) = (Arc::new(TestClock::default()), Arc::new(MemoryLive::new()));
        let neighbours = Neighbours::default();
        let directory = neighbours.directory();
        let app = Arc::new(App {
            pool: db.pool(&store::SCHEMA),
            users: Users::new(&directory),
            logs: Logs::new(&directory),
            live: Arc::clone(&live) as Arc<dyn godwit_live::Live>,
            clock: Arc::clone(&clock) as Arc<dyn godwit_kernel::Clock>,
            entropy: Arc::new(SystemEntropy),
        });
        Self { app, clock, neighbours, live, _db: db }
    }

    /// A person whom the auth service knows.
    pub fn person(&self) -> UserId {
        let id = UserId::generate(self.clock.as_ref(), &SystemEntropy);
        let user = User { id: id.to_string(), username: format!("u{}", id.as_uuid().simple()), ..User::default() };
        self.neighbours.users.lock().unwrap().insert(user.id.clone(), user);
        id
    }

    pub async fn gateway_of(&self, user_id: UserId) -> Gateway {
        let (subscription, deliveries) = self.live.subscribe(64).await.unwrap();
        subscription.add(&[Channel::User(user_id)]).await.unwrap();
        Gateway { deliveries, _subscription: subscription }
    }
}

/// Listens as the gateway of a user's socket does.
pub struct Gateway {
    deliveries: mpsc::Receiver<Delivery>,
    _subscription: Box<dyn Subscription>,
}

impl Gateway {
    /// The chats that the next payload says to follow.
    pub async fn told_to_follow(&mut self) -> Vec<String> {
        let delivery = tokio::time::timeout(Duration::from_secs(5), self.deliveries.recv()).await.unwrap().unwrap();
        let payload = match delivery {
            Delivery::Message { payload, .. } => LivePayload::decode(payload).unwrap().payload.unwrap(),
            Delivery::Interrupted => return Vec::new(),
        };
        match payload {
            live_payload::Payload::Joined(interest) => interest.chat_ids,
            _ => Vec::new(),
        }
    }
}

/// The updates of a chat with their event ids.
pub type Log = Vec<(String, Update)>;

/// The auth and message services, as far as chats ask them.
#[derive(Clone, Default)]
pub struct Neighbours {
    pub users: Arc<Mutex<BTreeMap<String, User>>>,
    pub logs: Arc<Mutex<BTreeMap<String, Log>>>,
    pub message_is_down: Arc<AtomicBool>,
}

impl Neighbours {
    pub fn stop_message(&self) {
        self.message_is_down.store(true, Ordering::SeqCst);
    }

    pub fn start_message(&self) {
        self.message_is_down.store(false, Ordering::SeqCst);
    }

    /// How many updates all logs have.
    pub fn update_count(&self) -> usize {
        self.logs.lock().unwrap().values().map(Vec::len).sum()
    }

    fn answer(&self) -> Result<(), Status> {
        if self.message_is_down.load(Ordering::SeqCst) { Err(Status::unavailable("down")) } else { Ok(()) }
    }

    fn directory(&self) -> Directory {
        let mut routes = Routes::new(AuthInternalServiceServer::new(self.clone()));
        routes = routes.add_service(MessageInternalServiceServer::new(self.clone()));
        let local = LocalRoutes::new();
        local.bind(routes, &ServerLayer::default());
        Directory::new(local, [Target::Auth, Target::Message])
    }
}

#[tonic::async_trait]
impl AuthInternalService for Neighbours {
    async fn get_users(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        let known = self.users.lock().unwrap();
        let users = request.into_inner().user_ids.iter().filter_map(|id| known.get(id).cloned()).collect();
        Ok(Response::new(GetUsersResponse { users }))
    }

    async fn list_revocations(
        &self,
        _: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        Err(Status::unimplemented("not asked by chats"))
    }
}

#[tonic::async_trait]
impl MessageInternalService for Neighbours {
    async fn append_update(
        &self,
        request: Request<AppendUpdateRequest>,
    ) -> Result<Response<AppendUpdateResponse>, Status> {
        self.answer()?;
        let AppendUpdateRequest { event_id, update, .. } = request.into_inner();
        let update = update.unwrap();
        let mut logs = self.logs.lock().unwrap();
        let log = logs.entry(update.chat_id.clone()).or_default();
        if !log.iter().any(|(known, _)| *known == event_id) {
            log.push((event_id, update));
        }
        Ok(Response::new(AppendUpdateResponse { seq: u64::try_from(log.len()).unwrap(), epoch: "e".to_owned() }))
    }

    async fn get_heads(&self, request: Request<GetHeadsRequest>) -> Result<Response<GetHeadsResponse>, Status> {
        self.answer()?;
        let logs = self.logs.lock().unwrap();
        let heads = request.into_inner().chat_ids.into_iter().filter_map(|chat_id| {
            let last_seq = u64::try_from(logs.get(&chat_id)?.len()).unwrap();
            Some(ChatHead { chat_id, last_seq, epoch: "e".to_owned(), last_message: None })
        });
        Ok(Response::new(GetHeadsResponse { heads: heads.collect() }))
    }
}
