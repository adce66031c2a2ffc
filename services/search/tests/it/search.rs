use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_contract::v1::{Message, MessageCreated, Update, update};
use godwit_events::postgres::PostgresLog;
use godwit_events::{BatchError, BatchHandler as _, EventLog as _, NewRecord, Record, topics};
use godwit_kernel::{ChatId, Clock as _, SystemEntropy, UserId};
use godwit_rpc::{ServiceError as _, timestamp};
use godwit_search::app::{App, Hits, MessageSearch};
use godwit_search::clients::Chats;
use godwit_search::domain::Query;
use godwit_search::events::incoming::{IndexHandler, index_group};
use godwit_search::store;
use godwit_testkit::{TestClock, TestDb, eventually};
use prost::Message as _;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::fake_chats::FakeChats;

struct World {
    db: TestDb,
    chats: FakeChats,
    clock: Arc<TestClock>,
    app: Arc<App>,
    handler: IndexHandler,
}

impl World {
    async fn new() -> Self {
        let db = TestDb::new(&[&store::SCHEMA, &godwit_events::postgres::SCHEMA]).await;
        let (chats, clock) = (FakeChats::default(), Arc::new(TestClock::default()));
        let app = Arc::new(App {
            pool: db.pool(&store::SCHEMA),
            chats: Chats::new(&chats.directory()),
            clock: Arc::clone(&clock) as Arc<dyn godwit_kernel::Clock>,
        });
        Self { db, chats, clock, handler: IndexHandler(Arc::clone(&app)), app }
    }

    fn chat_of(&self, users: &[UserId]) -> ChatId {
        let chat_id = ChatId::generate(self.clock.as_ref(), &SystemEntropy);
        for user_id in users {
            self.chats.join(chat_id, *user_id);
        }
        chat_id
    }

    fn user(&self) -> UserId {
        UserId::generate(self.clock.as_ref(), &SystemEntropy)
    }

    /// The update of a message, each a second after the one before.
    fn update(&self, chat_id: ChatId, seq: u64, text: &str) -> Update {
        self.clock.advance(Duration::from_secs(1));
        let sent_at = Some(timestamp(self.clock.now()));
        let message = Message {
            id: String::new(),
            chat_id: chat_id.to_string(),
            seq,
            sender_id: self.user().to_string(),
            client_message_id: format!("c{seq}"),
            text: text.to_owned(),
            sent_at,
        };
        let change = update::Change::MessageCreated(MessageCreated { message: Some(message) });
        Update { chat_id: chat_id.to_string(), seq, change: Some(change), ..Update::default() }
    }

    async fn index(&self, chat_id: ChatId, seq: u64, text: &str) {
        self.handler.handle(&[record(self.update(chat_id, seq, text).encode_to_vec())]).await.unwrap();
    }

    async fn search(&self, user_id: UserId, q: &str) -> Vec<String> {
        texts(&self.app.search_messages(user_id, asked(q)).await.unwrap())
    }
}

fn asked(q: &str) -> MessageSearch {
    MessageSearch { query: Query::parse(q).unwrap(), chat_id: None, before: None, limit: 50 }
}

fn texts(hits: &Hits) -> Vec<String> {
    hits.messages.iter().map(|message| message.text.clone()).collect()
}

fn record(payload: Vec<u8>) -> Record {
    Record {
        topic: topics::CHAT_UPDATES.name,
        partition: 0,
        offset: 0,
        key: Bytes::new(),
        payload: payload.into(),
        headers: Vec::new(),
        published_at: OffsetDateTime::UNIX_EPOCH,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_find_a_message() {
    let world = World::new().await;
    let (ada, eve) = (world.user(), world.user());
    let chat_id = world.chat_of(&[ada]);
    world.chat_of(&[eve]);
    world.index(chat_id, 2, "the godwit flies far").await;
    assert_eq!(world.search(ada, "godwit").await, ["the godwit flies far"]);
    assert!(world.search(eve, "godwit").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_finds_nothing_more() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "secret plan").await;
    world.chats.leave(chat_id, ada);
    assert!(world.search(ada, "plan").await.is_empty());
    let within = MessageSearch { chat_id: Some(chat_id), ..asked("plan") };
    assert_eq!(world.app.search_messages(ada, within).await.unwrap_err().reason(), "CHAT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_is_found_once() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    let again = record(world.update(chat_id, 2, "only once").encode_to_vec());
    world.handler.handle(&[again.clone(), again.clone()]).await.unwrap();
    world.handler.handle(&[again]).await.unwrap();
    assert_eq!(world.search(ada, "once").await, ["only once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_phrases_and_exclusions_are_understood() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "Blue sky over red sea").await;
    world.index(chat_id, 3, "red sky at night").await;
    assert_eq!(world.search(ada, "SKY red").await, ["red sky at night", "Blue sky over red sea"]);
    assert_eq!(world.search(ada, "\"red sky\"").await, ["red sky at night"]);
    assert_eq!(world.search(ada, "red -night").await, ["Blue sky over red sea"]);
    for hostile in ["'", "& | !", "((", "\"", ":*", "\\"] {
        assert!(world.search(ada, hostile).await.is_empty(), "{hostile}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_hit_once_and_newest_first() {
    let world = World::new().await;
    let ada = world.user();
    let chats = [world.chat_of(&[ada]), world.chat_of(&[ada]), world.chat_of(&[ada])];
    let mut written = Vec::new();
    for seq in 2..9 {
        for chat_id in chats {
            let text = format!("tide {}", written.len());
            world.index(chat_id, seq, &text).await;
            written.push(text);
        }
    }
    let (mut found, mut search) = (Vec::new(), MessageSearch { limit: 4, ..asked("tide") });
    loop {
        let hits = world.app.search_messages(ada, search.clone()).await.unwrap();
        assert!(hits.messages.len() <= 4);
        found.extend(texts(&hits));
        let Some(next) = hits.next else { break };
        search.before = Some(next);
    }
    written.reverse();
    assert_eq!(found, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_chat_can_be_searched_alone() {
    let world = World::new().await;
    let ada = world.user();
    let (one, other) = (world.chat_of(&[ada]), world.chat_of(&[ada]));
    world.index(one, 2, "wind here").await;
    world.index(other, 2, "wind there").await;
    let within = MessageSearch { chat_id: Some(one), ..asked("wind") };
    assert_eq!(texts(&world.app.search_messages(ada, within).await.unwrap()), ["wind here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_no_update_is_poison_and_names_its_place() {
    let world = World::new().await;
    let good = record(world.update(world.chat_of(&[]), 2, "fine").encode_to_vec());
    let refused = world.handler.handle(&[good, record(vec![0xff])]).await.unwrap_err();
    assert!(matches!(refused, BatchError::Poison { index: 1, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_found() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    let stream = PostgresLog::new(world.db.pool(&godwit_events::postgres::SCHEMA));
    let stop = CancellationToken::new();
    let consumer = {
        let (stream, stop) = (stream.clone(), stop.clone());
        let handler = Arc::new(IndexHandler(Arc::clone(&world.app)));
        spawn(async move { stream.consume(index_group(100), handler, stop).await })
    };
    let payload = world.update(chat_id, 2, "through the stream").encode_to_vec();
    let key = Bytes::copy_from_slice(chat_id.as_bytes());
    stream.publish(vec![NewRecord::new(&topics::CHAT_UPDATES, key, payload)]).await.unwrap();
    eventually(Duration::from_secs(20), async || !world.search(ada, "stream").await.is_empty()).await;
    stop.cancel();
    consumer.await.unwrap().unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work)
}
