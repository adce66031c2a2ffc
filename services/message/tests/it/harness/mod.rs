//! One database, any number of replicas on it, a chat service and a stream that tests control.

mod chats;
mod client;
mod stream;

pub use chats::FakeChats;
pub use client::{Client, reason};
pub use stream::SwitchedStream;

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl as _;
use godwit_contract::v1 as pb;
use godwit_events::postgres::PostgresLog;
use godwit_kernel::{ChatId, EventId, SystemClock, SystemEntropy, UserId};
use godwit_live::memory::MemoryLive;
use godwit_live::{Channel, Delivery, Live, Subscription};
use godwit_message::app::{App, AppendUpdate};
use godwit_message::domain::MembershipVersion;
use godwit_message::events::outgoing;
use godwit_message::grpc::Server;
use godwit_message::{Config, Parts, store};
use godwit_pg::Pool;
use godwit_runtime::Tasks;
use godwit_testkit::TestDb;
use tokio::sync::mpsc;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the replicas of a test share.
pub struct Bed {
    pub db: TestDb,
    pub pool: Pool,
    pub chats: Arc<FakeChats>,
    pub live: Arc<MemoryLive>,
    pub stream: Arc<SwitchedStream>,
    pub tasks: Tasks,
}

impl Bed {
    pub async fn new() -> Self {
        let db = TestDb::new(&[&store::SCHEMA, &godwit_events::postgres::SCHEMA]).await;
        let stream = Arc::new(SwitchedStream::over(PostgresLog::new(db.pool(&godwit_events::postgres::SCHEMA))));
        let pool = db.pool(&store::SCHEMA);
        let live = Arc::new(MemoryLive::new());
        Self { db, pool, chats: Arc::default(), live, stream, tasks: Tasks::new() }
    }

    /// A replica with two appenders.
    pub fn replica(&self) -> Replica {
        self.replica_with(&config(2))
    }

    pub fn replica_with(&self, config: &Config) -> Replica {
        self.launch(self.db.pool(&store::SCHEMA), self.tasks.clone(), config)
    }

    /// A replica with connections and tasks of the test's choice.
    pub fn replica_on(&self, pool: Pool, tasks: Tasks) -> Replica {
        self.launch(pool, tasks, &config(2))
    }

    fn launch(&self, pool: Pool, tasks: Tasks, config: &Config) -> Replica {
        let parts = Parts {
            pool,
            directory: self.chats.directory(),
            live: Arc::clone(&self.live) as Arc<dyn Live>,
            events: Arc::clone(&self.stream) as Arc<dyn godwit_events::EventLog>,
            entropy: Arc::new(SystemEntropy),
            tasks,
        };
        let app = parts.launch(config);
        Replica { server: Server(Arc::clone(&app)), app }
    }

    /// A chat of these users with its log begun.
    pub async fn chat(&self, replica: &Replica, members: &[UserId]) -> ChatId {
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
        self.chats.put(chat_id, members, 1);
        replica.app.append_update(created(chat_id, members)).await.unwrap();
        chat_id
    }

    /// What is published to these channels from now on.
    pub async fn listen(&self, channels: &[Channel]) -> Listener {
        let (subscription, deliveries) = self.live.subscribe(10_000).await.unwrap();
        subscription.add(channels).await.unwrap();
        Listener { _subscription: subscription, deliveries }
    }

    /// The number that a query gives.
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

    pub async fn run_sql(&self, sql: &str) {
        let mut conn = self.pool.get().await.unwrap();
        diesel_async::SimpleAsyncConnection::batch_execute(&mut *conn, sql).await.unwrap();
    }

    /// Moves everything that has occurred into the past.
    pub async fn age(&self, by: &str) {
        self.run_sql(&format!(
            "LOCK TABLE chat_heads, sync_log, outbox;
             UPDATE chat_heads SET changed_at = changed_at - interval '{by}';
             UPDATE sync_log SET occurred_at = occurred_at - interval '{by}';
             UPDATE outbox SET occurred_at = occurred_at - interval '{by}';"
        ))
        .await;
    }

    /// Waits until the sync log has everything.
    pub async fn drained(&self) {
        godwit_testkit::eventually(PATIENCE, || async {
            match self.number("SELECT count(*) FROM outbox").await {
                0 => Ok(()),
                rows => Err(format!("{rows} rows are in the outbox")),
            }
        })
        .await;
    }
}

/// One running instance of the service.
pub struct Replica {
    pub app: Arc<App>,
    pub server: Server,
}

impl Replica {
    pub fn client(&self, user: UserId) -> Client {
        Client::new(self.server.clone(), user)
    }
}

pub struct Listener {
    _subscription: Box<dyn Subscription>,
    deliveries: mpsc::Receiver<Delivery>,
}

impl Listener {
    /// The next update that arrives, and where.
    pub async fn update(&mut self) -> (Channel, pb::Update) {
        let delivery = tokio::time::timeout(PATIENCE, self.deliveries.recv()).await.unwrap().unwrap();
        let Delivery::Message { channel, payload } = delivery else { panic!("interrupted") };
        (channel, decode_live(payload))
    }

    /// What has arrived already.
    pub fn arrived(&mut self) -> Vec<pb::Update> {
        let mut updates = Vec::new();
        while let Ok(delivery) = self.deliveries.try_recv() {
            let Delivery::Message { payload, .. } = delivery else { panic!("interrupted") };
            updates.push(decode_live(payload));
        }
        updates
    }
}

fn decode_live(payload: bytes::Bytes) -> pb::Update {
    use godwit_contract::events::v1::{LivePayload, live_payload::Payload};
    use prost::Message as _;
    let Some(Payload::ServerFrame(frame)) = LivePayload::decode(payload).unwrap().payload else {
        panic!("not a server frame")
    };
    match pb::ServerFrame::decode(frame).unwrap().frame {
        Some(pb::server_frame::Frame::Update(update)) => update,
        other => panic!("not an update: {other:?}"),
    }
}

#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    config: Config,
}

/// The defaults with so many appenders.
pub fn config(appenders: u16) -> Config {
    use clap::Parser as _;
    Config { appenders, ..CommandLine::parse_from(["test"]).config }
}

pub fn user() -> UserId {
    UserId::generate(&SystemClock, &SystemEntropy)
}

pub fn event_id() -> EventId {
    EventId::generate(&SystemClock, &SystemEntropy)
}

/// The first update of a chat.
pub fn created(chat_id: ChatId, members: &[UserId]) -> AppendUpdate {
    let change = pb::update::Change::ChatCreated(pb::ChatCreated {
        kind: pb::ChatKind::Direct.into(),
        member_ids: members.iter().map(UserId::to_string).collect(),
    });
    let actor_id = members.first().map(UserId::to_string).unwrap_or_default();
    let update = pb::Update { actor_id, change: Some(change), ..pb::Update::default() };
    AppendUpdate {
        event_id: event_id(),
        chat_id,
        membership_version: MembershipVersion::new(1).unwrap(),
        announced_to: outgoing::announced_to(&update),
        partial_update: outgoing::partial_update(update),
    }
}

/// The texts of the messages among updates, in order.
pub fn texts(updates: &[pb::Update]) -> Vec<String> {
    updates.iter().filter_map(message_in).map(|message| message.text).collect()
}

pub fn message_in(update: &pb::Update) -> Option<pb::Message> {
    match update.change.clone()? {
        pb::update::Change::MessageCreated(created) => created.message,
        _ => None,
    }
}

pub fn seqs(updates: &[pb::Update]) -> Vec<u64> {
    updates.iter().map(|update| update.seq).collect()
}
