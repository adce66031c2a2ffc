use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use diesel_async::RunQueryDsl as _;
use godwit_contract::search::v1::search_service_client::SearchServiceClient;
use godwit_contract::search::v1::search_service_server::SearchServiceServer;
use godwit_contract::v1::{Message, MessageCreated, MessageDeleted, MessageEdited, Update, update};
use godwit_events::{BatchHandler as _, Record, topics};
use godwit_kernel::{ChatId, Clock as _, MessageId, Seq, SystemEntropy, UserId};
use godwit_pg::{Pool, PoolOptions};
use godwit_rpc::{AccessChecks, Channel, Directory, LocalRoutes, ServerLayer, Target, timestamp};
use godwit_search::app::{App, Hits, MessageSearch};
use godwit_search::clients::{Chats, Logs, People};
use godwit_search::domain::{BuildOrder, Query};
use godwit_search::events::incoming::IndexHandler;
use godwit_search::wire::indexed;
use godwit_search::{SearchGrpc, store};
use godwit_testkit::{TestClock, TestDb};
use prost::Message as _;
use time::OffsetDateTime;
use tonic::service::Routes;

use crate::fake_chats::FakeChats;

pub struct World {
    pub db: TestDb,
    pub chats: FakeChats,
    pub clock: Arc<TestClock>,
    pub app: Arc<App>,
    pub handler: IndexHandler,
}

impl World {
    pub async fn new() -> Self {
        let db = TestDb::new(&[&store::SCHEMA, &godwit_events::postgres::SCHEMA]).await;
        let (chats, clock) = (FakeChats::default(), Arc::new(TestClock::default()));
        let app = app_over(db.pool(&store::SCHEMA), &chats, &clock);
        Self { db, chats, clock, handler: IndexHandler(Arc::clone(&app)), app }
    }

    pub fn chat_of(&self, users: &[UserId]) -> ChatId {
        let chat_id = ChatId::generate(self.clock.as_ref(), &SystemEntropy);
        for user_id in users {
            self.chats.join(chat_id, *user_id);
        }
        chat_id
    }

    pub fn user(&self) -> UserId {
        UserId::generate(self.clock.as_ref(), &SystemEntropy)
    }

    /// The update of a message, each a second after the one before.
    pub fn update(&self, chat_id: ChatId, seq: u64, text: &str) -> Update {
        self.clock.advance(Duration::from_secs(1));
        let message = Message {
            id: Seq::new(seq).map(|seq| MessageId { chat_id, seq }.to_string()).unwrap_or_default(),
            chat_id: chat_id.to_string(),
            seq,
            sender_id: self.user().to_string(),
            client_message_id: format!("c{seq}"),
            text: text.to_owned(),
            sent_at: Some(timestamp(self.clock.now())),
            ..Message::default()
        };
        // What the records say is what the message service says.
        if message.id.parse::<MessageId>().is_ok() {
            self.chats.say(message.clone());
        }
        let change = update::Change::MessageCreated(MessageCreated { message: Some(message) });
        Update {
            chat_id: chat_id.to_string(),
            seq,
            epoch: "first".to_owned(),
            occurred_at: Some(timestamp(self.clock.now())),
            change: Some(change),
            ..Update::default()
        }
    }

    /// The update by which the message at `of` says something else.
    pub fn edit(&self, chat_id: ChatId, of: u64, seq: u64, text: &str) -> Update {
        let Some(update::Change::MessageCreated(created)) = self.update(chat_id, of, text).change else {
            unreachable!("a message")
        };
        let edited = update::Change::MessageEdited(MessageEdited { message: created.message });
        self.other(chat_id, seq, edited)
    }

    /// An update that is no message.
    pub fn other(&self, chat_id: ChatId, seq: u64, change: update::Change) -> Update {
        self.clock.advance(Duration::from_secs(1));
        Update {
            chat_id: chat_id.to_string(),
            seq,
            epoch: "first".to_owned(),
            occurred_at: Some(timestamp(self.clock.now())),
            change: Some(change),
            ..Update::default()
        }
    }

    /// The update by which the message at `of` is deleted for everyone.
    pub fn delete(&self, chat_id: ChatId, of: u64, seq: u64) -> Update {
        let message_id = MessageId { chat_id, seq: Seq::new(of).unwrap() };
        self.chats.delete(message_id);
        let deleted = update::Change::MessageDeleted(MessageDeleted { message_id: message_id.to_string() });
        self.other(chat_id, seq, deleted)
    }

    /// How many entries of the index can be found by something.
    pub async fn entries_found(&self) -> i64 {
        self.number("SELECT count(*) AS number FROM entries WHERE NOT is_deleted OR terms <> '{}'").await
    }

    /// By what each message can be found: its terms, by its address.
    pub async fn findable(&self) -> BTreeMap<(ChatId, Seq), Vec<i32>> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Uuid)]
            chat_id: uuid::Uuid,
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            seq: i64,
            #[diesel(sql_type = diesel::sql_types::Array<diesel::sql_types::Integer>)]
            terms: Vec<i32>,
        }
        let query = diesel::sql_query("SELECT chat_id, seq, terms FROM entries WHERE NOT is_deleted OR terms <> '{}'");
        let rows: Vec<Row> = query.load(&mut *self.app.pool.get().await.unwrap()).await.unwrap();
        let entry = |row: Row| ((ChatId::from_uuid(row.chat_id), Seq::from_i64(row.seq)), row.terms);
        rows.into_iter().map(entry).collect()
    }

    /// The same as it is to be, by what the message service says.
    pub fn said(&self) -> BTreeMap<(ChatId, Seq), Vec<i32>> {
        let entries = self.chats.messages().into_iter().map(|message| {
            let entry = indexed("first".to_owned(), &message).unwrap();
            ((entry.chat_id, entry.seq), entry.terms)
        });
        entries.collect()
    }

    pub async fn number(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            number: i64,
        }
        let row: Row = diesel::sql_query(sql).get_result(&mut *self.app.pool.get().await.unwrap()).await.unwrap();
        row.number
    }

    pub fn clock_now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// What a process that starts now has built.
    pub fn order(&self, label: &str) -> BuildOrder {
        BuildOrder { label: label.to_owned(), ordered_at: self.clock_now() }
    }

    pub async fn index(&self, chat_id: ChatId, seq: u64, text: &str) {
        self.handler.handle(&[record(&self.update(chat_id, seq, text))]).await.unwrap();
    }

    pub async fn search(&self, user_id: UserId, q: &str) -> Vec<String> {
        texts(&self.app.search_messages(user_id, &asked(q)).await.unwrap())
    }

    /// The service as the gateway calls it.
    pub fn client(&self) -> SearchServiceClient<Channel> {
        client_of(Arc::clone(&self.app))
    }

    /// The same without its database.
    pub fn client_without_database(&self) -> SearchServiceClient<Channel> {
        client_of(self.app_without_database())
    }

    /// The same use cases over a database that nobody answers for.
    pub fn app_without_database(&self) -> Arc<App> {
        let options = PoolOptions { wait_timeout: Duration::from_millis(100), ..PoolOptions::default() };
        let pool = Pool::connect("postgres://nobody@127.0.0.1:1/none", options).unwrap();
        app_over(pool, &self.chats, &self.clock)
    }
}

fn app_over(pool: Pool, chats: &FakeChats, clock: &Arc<TestClock>) -> Arc<App> {
    let clock = Arc::clone(clock) as Arc<dyn godwit_kernel::Clock>;
    let directory = chats.directory();
    Arc::new(App {
        pool,
        chats: Chats::new(&directory),
        logs: Logs::new(&directory),
        people: People::new(&directory),
        access: AccessChecks::new(&directory),
        clock,
    })
}

fn client_of(app: Arc<App>) -> SearchServiceClient<Channel> {
    let routes = LocalRoutes::new();
    routes.bind(Routes::new(SearchServiceServer::new(SearchGrpc::new(app))), &ServerLayer::default());
    SearchServiceClient::new(Directory::new(routes, [Target::Search]).channel(Target::Search))
}

pub fn asked(q: &str) -> MessageSearch {
    MessageSearch { query: Some(Query::parse(q).unwrap()), limit: 50, ..MessageSearch::default() }
}

pub fn texts(hits: &Hits) -> Vec<String> {
    hits.hits.iter().map(|hit| hit.message.text.clone()).collect()
}

/// An update as it comes from the stream.
pub fn record(update: &Update) -> Record {
    let chat_id: ChatId = update.chat_id.parse().unwrap();
    raw_record(Bytes::copy_from_slice(chat_id.as_bytes()), update.encode_to_vec())
}

pub fn raw_record(key: Bytes, payload: Vec<u8>) -> Record {
    Record {
        topic: topics::CHAT_UPDATES.name,
        partition: 0,
        offset: 0,
        key,
        payload: payload.into(),
        headers: Vec::new(),
        published_at: OffsetDateTime::UNIX_EPOCH,
    }
}
