//! One database, any number of replicas on it, a chat service and a stream that tests control.

mod chats;
mod client;
mod neighbours;
mod stream;

pub use chats::FakeChats;
pub use client::{Client, reason};
pub use stream::SwitchedStream;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::QueryableByName;
use diesel::connection::InstrumentationEvent;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use godwit_contract::v1 as pb;
use godwit_events::postgres::PostgresLog;
use godwit_kernel::{ChatId, EventId, SystemClock, SystemEntropy, UserId};
use godwit_live::memory::MemoryLive;
use godwit_live::{Channel, Delivery, Live, Subscription};
use godwit_message::app::{App, AppendUpdate, PageReader};
use godwit_message::domain::MembershipVersion;
use godwit_message::events::outgoing;
use godwit_message::grpc::Server;
use godwit_message::{Config, Parts, store};
use godwit_outbound::Reach;
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
        self.launch(self.db.pool(&store::SCHEMA), self.tasks.clone(), config, None)
    }

    /// A replica with connections and tasks of the test's choice.
    pub fn replica_on(&self, pool: Pool, tasks: Tasks) -> Replica {
        self.launch(pool, tasks, &config(2), None)
    }

    /// A replica that reads pages behind links.
    pub fn replica_with_previews(&self, reach: Reach) -> Replica {
        self.launch(self.db.pool(&store::SCHEMA), self.tasks.clone(), &config(2), Some(page_reader(reach)))
    }

    fn launch(&self, pool: Pool, tasks: Tasks, config: &Config, pages: Option<PageReader>) -> Replica {
        let parts = Parts {
            pool,
            directory: self.chats.directory(),
            live: Arc::clone(&self.live) as Arc<dyn Live>,
            events: Arc::clone(&self.stream) as Arc<dyn godwit_events::EventLog>,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            pages,
            tasks,
        };
        let app = parts.launch(config);
        self.chats.serve(&app);
        Replica { server: Server(Arc::clone(&app)), app }
    }

    /// A chat of these users with its log begun.
    pub async fn chat(&self, replica: &Replica, members: &[UserId]) -> ChatId {
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
        self.chats.put(chat_id, members, 1);
        replica.app.append_update(created(chat_id, members)).await.unwrap();
        chat_id
    }

    /// A chat of a kind with its log begun; the first member is its owner where there is one.
    pub async fn chat_as(&self, replica: &Replica, kind: pb::ChatKind, members: &[UserId]) -> ChatId {
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
        self.chats.put_kind(chat_id, kind, members, 1);
        replica.app.append_update(created_as(kind, chat_id, members)).await.unwrap();
        chat_id
    }

    /// Takes somebody into a group, as the chat service has it told.
    pub async fn join(&self, replica: &Replica, chat_id: ChatId, user: UserId, is_history_hidden: bool) {
        self.chats.add(chat_id, user);
        let member = pb::Member { user_id: user.to_string(), ..pb::Member::default() };
        let added = pb::MembersAdded { members: vec![member], member_count: 1, is_history_hidden };
        let update = append(chat_id, pb::update::Change::MembersAdded(added), 0);
        replica.app.append_update(update).await.unwrap();
    }

    /// Takes somebody out of a group, as the chat service has it told.
    pub async fn leave(&self, replica: &Replica, chat_id: ChatId, user: UserId) {
        self.remove(replica, chat_id, user, pb::RemovalCause::Left).await;
    }

    /// Bans somebody from a group, as the chat service has it told.
    pub async fn ban(&self, replica: &Replica, chat_id: ChatId, user: UserId) {
        self.remove(replica, chat_id, user, pb::RemovalCause::Banned).await;
    }

    async fn remove(&self, replica: &Replica, chat_id: ChatId, user: UserId, cause: pb::RemovalCause) {
        let version = self.chats.remove(chat_id, user);
        let (user_id, cause) = (user.to_string(), cause.into());
        let removed = pb::MemberRemoved { user_id, cause, ..pb::MemberRemoved::default() };
        let update = append(chat_id, pb::update::Change::MemberRemoved(removed), version);
        replica.app.append_update(update).await.unwrap();
    }

    /// What is published to these channels from now on.
    pub async fn listen(&self, channels: &[Channel]) -> Listener {
        let (subscription, deliveries) = self.live.subscribe(10_000).await.unwrap();
        subscription.add(channels).await.unwrap();
        Listener { _subscription: subscription, deliveries, more: VecDeque::new() }
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
            "LOCK TABLE chat_heads, sync_log;
             UPDATE chat_heads SET changed_at = changed_at - interval '{by}';
             UPDATE sync_log SET occurred_at = occurred_at - interval '{by}';"
        ))
        .await;
    }

    /// Waits until the stream has everything.
    pub async fn drained(&self) {
        godwit_testkit::eventually(PATIENCE, || async {
            match self.number("SELECT count(*) FROM outbox_batches").await {
                0 => Ok(()),
                rows => Err(format!("{rows} batches are in the outbox")),
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
    /// Came together with the one before.
    more: VecDeque<(Channel, pb::Update)>,
}

impl Listener {
    /// The next update that arrives, and where.
    pub async fn update(&mut self) -> (Channel, pb::Update) {
        while self.more.is_empty() {
            let delivery = tokio::time::timeout(PATIENCE, self.deliveries.recv()).await.unwrap().unwrap();
            let Delivery::Message { channel, payload } = delivery else { panic!("interrupted") };
            self.more.extend(decode_live(payload).into_iter().map(|update| (channel, update)));
        }
        self.more.pop_front().unwrap()
    }

    /// The payloads that have arrived already.
    pub fn payloads(&mut self) -> Vec<bytes::Bytes> {
        let mut payloads = Vec::new();
        while let Ok(Delivery::Message { payload, .. }) = self.deliveries.try_recv() {
            payloads.push(payload);
        }
        payloads
    }

    /// The next word that a chat's log has come so far: which chat, and how far.
    pub async fn advanced(&mut self) -> (String, u64) {
        loop {
            let delivery = tokio::time::timeout(PATIENCE, self.deliveries.recv()).await.unwrap().unwrap();
            let Delivery::Message { payload, .. } = delivery else { panic!("interrupted") };
            let advanced = decode_frames(payload).into_iter().find_map(|frame| match frame {
                pb::server_frame::Frame::Advanced(advanced) => Some((advanced.chat_id, advanced.seq)),
                _ => None,
            });
            if let Some(advanced) = advanced {
                return advanced;
            }
        }
    }

    /// What has arrived already.
    pub fn arrived(&mut self) -> Vec<pb::Update> {
        let mut updates: Vec<pb::Update> = self.more.drain(..).map(|(_, update)| update).collect();
        while let Ok(delivery) = self.deliveries.try_recv() {
            let Delivery::Message { payload, .. } = delivery else { panic!("interrupted") };
            updates.extend(decode_live(payload));
        }
        updates
    }
}

fn decode_live(payload: bytes::Bytes) -> Vec<pb::Update> {
    let update = |frame| match frame {
        pb::server_frame::Frame::Update(update) => Some(update),
        // Who sees it asks.
        pb::server_frame::Frame::Advanced(_) => None,
        other => panic!("not an update: {other:?}"),
    };
    decode_frames(payload).into_iter().filter_map(update).collect()
}

fn decode_frames(payload: bytes::Bytes) -> Vec<pb::server_frame::Frame> {
    use godwit_contract::events::v1::{LiveFrames, LivePayload, live_payload::Payload};
    use prost::Message as _;
    let frames = match LivePayload::decode(payload.clone()).unwrap().payload {
        Some(Payload::ServerFrame(_)) => LiveFrames::decode(payload).unwrap().server_frames,
        Some(Payload::MembersLeft(left)) if !left.server_frame.is_empty() => vec![left.server_frame],
        other => panic!("not a server frame: {other:?}"),
    };
    frames.into_iter().map(|frame| pb::ServerFrame::decode(frame).unwrap().frame.unwrap()).collect()
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

/// What reads pages behind links, in a process that has what TLS needs.
pub fn page_reader(reach: Reach) -> PageReader {
    drop(godwit_testkit::http_client());
    PageReader::new(reach).unwrap()
}

/// Counts the statements that a connection runs from now on.
pub fn count_statements(conn: &mut AsyncPgConnection) -> Arc<AtomicUsize> {
    let statements = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&statements);
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if matches!(event, InstrumentationEvent::StartQuery { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    statements
}

pub fn user() -> UserId {
    UserId::generate(&SystemClock, &SystemEntropy)
}

pub fn event_id() -> EventId {
    EventId::generate(&SystemClock, &SystemEntropy)
}

/// The first update of a chat.
pub fn created(chat_id: ChatId, members: &[UserId]) -> AppendUpdate {
    created_as(pb::ChatKind::Direct, chat_id, members)
}

/// The first update of a chat of a kind.
pub fn created_as(kind: pb::ChatKind, chat_id: ChatId, members: &[UserId]) -> AppendUpdate {
    let change = pb::update::Change::ChatCreated(pb::ChatCreated {
        kind: kind.into(),
        member_ids: members.iter().map(UserId::to_string).collect(),
        info: None,
    });
    let update = append(chat_id, change, 1);
    let actor_id = members.first().map(UserId::to_string).unwrap_or_default();
    let mut whole = <pb::Update as prost::Message>::decode(update.partial_update.clone()).unwrap();
    whole.actor_id = actor_id;
    AppendUpdate { partial_update: outgoing::partial_update(whole), ..update }
}

/// A change that the chat service has committed.
pub fn append(chat_id: ChatId, change: pb::update::Change, version: u64) -> AppendUpdate {
    let update = pb::Update { change: Some(change), ..pb::Update::default() };
    AppendUpdate {
        event_id: event_id(),
        chat_id,
        membership_version: MembershipVersion::new(version).unwrap(),
        announced_to: outgoing::announced_to(&update),
        membership: outgoing::membership(&update),
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
