//! The index behind a real stream: all of it again, garbage on it, and a database that is away.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use diesel_async::SimpleAsyncConnection as _;
use godwit_events::kafka::{KafkaLog, KafkaOptions};
use godwit_events::postgres::{PostgresLog, SCHEMA};
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, EventLog, NewRecord, Record, dead_letter, topics};
use godwit_pg::{Pool, PoolOptions};
use godwit_rpc::ServiceError as _;
use godwit_search::domain::Part;
use godwit_search::events::incoming::{IndexHandler, index_group};
use godwit_testkit::{TestDb, env, eventually, unique};
use tokio_util::sync::CancellationToken;

use crate::chatter::Chatter;
use crate::world::{World, asked, record, texts};

const SOON: Duration = Duration::from_secs(60);

/// The index, and what it was handed.
struct Counted {
    index: IndexHandler,
    /// By partition and offset: what comes twice counts once.
    taken: Mutex<HashSet<(i32, i64)>>,
    refused: AtomicUsize,
}

impl Counted {
    fn over(world: &World) -> Arc<Self> {
        let index = IndexHandler(Arc::clone(&world.app));
        Arc::new(Self { index, taken: Mutex::default(), refused: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl BatchHandler for Counted {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        let outcome = self.index.handle(batch).await;
        if outcome.is_ok() {
            self.taken.lock().unwrap().extend(batch.iter().map(|record| (record.partition, record.offset)));
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

fn published(record: Record) -> NewRecord {
    NewRecord::new(&topics::CHAT_UPDATES, record.key, record.payload)
}

/// Reads as a group until so many records were taken.
async fn read(world: &World, stream: &impl EventLog, group: ConsumerGroup, count: usize) {
    let (handler, stop) = (Counted::over(world), CancellationToken::new());
    let reading = stream.consume(group, handler.clone(), stop.clone());
    let all = async {
        eventually(SOON, async || handler.taken.lock().unwrap().len() == count).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(reading, all);
    ended.unwrap();
}

/// Does something while the index follows the stream.
async fn beside<T>(handler: Arc<Counted>, stream: &PostgresLog, work: impl Future<Output = T>) -> T {
    tokio::select! {
        ended = stream.consume(index_group(100), handler, CancellationToken::new()) => {
            unreachable!("nobody stops it: {ended:?}")
        }
        value = work => value,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_kafka_again_from_its_start_leaves_the_index_as_it_is() {
    const ROWS: &str = "SELECT hashtextextended(string_agg(e::text, ' ' ORDER BY e.chat_id, e.seq), 0) AS number
        FROM entries e";
    let world = World::new().await;
    let mut chatter = Chatter::new(&world);
    let mut records: Vec<NewRecord> = (0..300).map(|_| published(chatter.go_on())).collect();
    records.push(published(chatter.end_a_chat()));
    let count = records.len();
    let options = KafkaOptions {
        bootstrap_servers: env::kafka(),
        topic_prefix: format!("{}.", unique("search")),
        ..KafkaOptions::default()
    };
    let stream = KafkaLog::new(options).unwrap();
    stream.publish(records).await.unwrap();

    read(&world, &stream, index_group(100), count).await;
    assert_eq!(world.findable().await, world.said());
    let rows = world.number(ROWS).await;
    // A group that nobody knows begins with the oldest record, and has other batches here.
    let again = ConsumerGroup { name: "search.entries-again", ..index_group(7) };
    read(&world, &stream, again, count).await;
    assert_eq!(world.number(ROWS).await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_topic_becomes_a_dead_letter_that_says_why() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    let stream = PostgresLog::new(world.db.pool(&SCHEMA));
    let key = Bytes::copy_from_slice(chat_id.as_bytes());
    let garbage = NewRecord::new(&topics::CHAT_UPDATES, key, Bytes::from_static(b"\xff garbage"));
    let other_key = world.chat_of(&[]);
    let misplaced = NewRecord {
        key: Bytes::copy_from_slice(other_key.as_bytes()),
        ..published(record(&world.update(chat_id, 2, "misplaced tide")))
    };
    let fine = published(record(&world.update(chat_id, 3, "fine tide")));
    stream.publish(vec![garbage.clone(), misplaced.clone(), fine]).await.unwrap();

    let letters = beside(Counted::over(&world), &stream, dead_letters(&stream, 2)).await;
    let mut told: Vec<(Bytes, &str, &str)> = Vec::new();
    for letter in &letters {
        let header = |name| letter.header(name).unwrap();
        assert_eq!(header(dead_letter::ORIGIN_TOPIC), topics::CHAT_UPDATES.name);
        told.push((letter.payload.clone(), header(dead_letter::CONSUMER_GROUP), header(dead_letter::REASON)));
    }
    told.sort_unstable_by_key(|(_, _, reason)| *reason);
    assert_eq!(
        told,
        [
            (garbage.payload, "search.entries", "not an encoded godwit.v1.Update"),
            (misplaced.payload, "search.entries", "the record's key is not the message's chat"),
        ]
    );
    // Nothing of them is in the index, also when they are read again.
    read(&world, &stream, ConsumerGroup { name: "search.entries-again", ..index_group(1) }, 1).await;
    assert_eq!(world.search(ada, "tide").await, ["fine tide"]);
}

/// The first dead letters.
async fn dead_letters(stream: &PostgresLog, count: usize) -> Vec<Record> {
    #[derive(Default)]
    struct Letters(Mutex<Vec<Record>>);

    #[async_trait]
    impl BatchHandler for Letters {
        async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
            self.0.lock().unwrap().extend_from_slice(batch);
            Ok(())
        }
    }

    let letters = Arc::new(Letters::default());
    let group = ConsumerGroup { name: "test.dead-letters", topics: vec![&topics::DEAD_LETTERS], max_batch: 10 };
    tokio::select! {
        ended = stream.consume(group, letters.clone(), CancellationToken::new()) => {
            unreachable!("nobody stops it: {ended:?}")
        }
        () = eventually(SOON, async || letters.0.lock().unwrap().len() >= count) => {}
    }
    letters.0.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_the_database_of_the_index_is_away_is_found_once_it_is_back() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    // The stream is elsewhere, and goes on.
    let elsewhere = TestDb::new(&[&SCHEMA]).await;
    let stream = PostgresLog::new(elsewhere.pool(&SCHEMA));
    let handler = Counted::over(&world);
    let script = async {
        let before = [world.update(chat_id, 2, "early tide"), world.update(chat_id, 3, "doomed tide")];
        stream.publish(before.iter().map(|update| published(record(update))).collect()).await.unwrap();
        eventually(SOON, async || world.search(ada, "tide").await.len() == 2).await;

        set_away(&world.db).await;
        let meanwhile = [
            world.update(chat_id, 4, "late tide"),
            world.edit(chat_id, 2, 5, "edited tide"),
            world.delete(chat_id, 3, 6),
        ];
        stream.publish(meanwhile.iter().map(|update| published(record(update))).collect()).await.unwrap();
        eventually(SOON, async || handler.refused.load(Ordering::Relaxed) > 1).await;
        let refused = world.app.search_messages(ada, &asked("tide")).await.unwrap_err();
        assert_eq!(refused.reason(), "DATABASE_UNAVAILABLE");
        let refused = world.app.build_page(Part::Messages, &world.order("1/a")).await.unwrap_err();
        assert_eq!(refused.reason(), "DATABASE_UNAVAILABLE");

        set_back(&world.db).await;
        eventually(SOON, async || {
            let late = world.app.search_messages(ada, &asked("late")).await;
            late.is_ok_and(|hits| texts(&hits) == ["late tide"])
        })
        .await;
        eventually(SOON, async || world.findable().await == world.said()).await;
    };
    beside(Arc::clone(&handler), &stream, script).await;
    assert_eq!(world.search(ada, "edited").await, ["edited tide"]);
    assert!(world.search(ada, "doomed").await.is_empty());
}

/// Ends all connections to a database, waits until they are, and has no more of them taken.
async fn set_away(db: &TestDb) {
    let name = name_of(db);
    administer(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    administer(&format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"))
        .await;
}

async fn set_back(db: &TestDb) {
    administer(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", name_of(db))).await;
}

fn name_of(db: &TestDb) -> &str {
    db.url().split('?').next().and_then(|url| url.rsplit('/').next()).unwrap()
}

async fn administer(statement: &str) {
    let pool = Pool::connect(&env::database_url(), PoolOptions::default()).unwrap();
    pool.get().await.unwrap().batch_execute(statement).await.unwrap();
}
