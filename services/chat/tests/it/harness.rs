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
use godwit_contract::chat::v1::chat_service_server::ChatService as _;
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
        Client { server: self.replicas[replica].server.clone(), caller }
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
    /// The chats that it is told to follow next.
    pub async fn told_to_follow(&mut self) -> Vec<String> {
        let delivery = tokio::time::timeout(PATIENCE, self.deliveries.recv()).await.unwrap().unwrap();
        let Delivery::Message { payload, .. } = delivery else { panic!("interrupted") };
        match LivePayload::decode(payload).unwrap().payload {
            Some(Payload::Joined(interest)) => interest.chat_ids,
            other => panic!("not an interest: {other:?}"),
        }
    }

    pub fn was_told_nothing(&mut self) -> bool {
        self.deliveries.try_recv().is_err()
    }
}

#[derive(Clone)]
pub struct Client {
    server: Server,
    caller: Caller,
}

impl Client {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.caller.attach(&mut request);
        request
    }

    pub async fn create(&self, user_id: impl ToString) -> Result<pb::Chat, Status> {
        let request = self.request(api::CreateDirectChatRequest { user_id: user_id.to_string() });
        Ok(self.server.create_direct_chat(request).await?.into_inner().chat.unwrap())
    }

    pub async fn get(&self, chat_id: &str) -> Result<pb::Chat, Status> {
        let request = self.request(api::GetChatRequest { chat_id: chat_id.to_owned() });
        Ok(self.server.get_chat(request).await?.into_inner().chat.unwrap())
    }

    pub async fn list(&self, limit: u32, cursor: &str) -> Result<api::ListChatsResponse, Status> {
        let request = self.request(api::ListChatsRequest {
            limit,
            cursor: cursor.to_owned(),
            ..api::ListChatsRequest::default()
        });
        Ok(self.server.list_chats(request).await?.into_inner())
    }
}

/// The stable name of a refusal.
pub fn reason(status: &Status) -> String {
    Failure::from_status(status).reason
}
