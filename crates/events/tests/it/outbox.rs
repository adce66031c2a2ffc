//! The outbox and its relay.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection as _, SimpleAsyncConnection as _};
use godwit_events::outbox::{Relay, enqueue};
use godwit_events::postgres::SCHEMA;
use godwit_events::topics::ACCOUNTS;
use godwit_events::{BatchHandler, ConsumerGroup, Error, EventLog, NewRecord, RECORD_BYTES_MAX};
use godwit_pg::Pool;
use godwit_testkit::{TestDb, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::group::{record, text, texts};

const LONG: Duration = Duration::from_secs(30);

const OUTBOX: &str = "CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, \
     key bytea NOT NULL, payload bytea NOT NULL, headers jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now())";

/// A stream that remembers, and is away when told so.
#[derive(Default)]
struct Stream {
    away: AtomicBool,
    refused: AtomicUsize,
    published: Mutex<Vec<String>>,
}

#[async_trait]
impl EventLog for Stream {
    async fn publish(&self, records: Vec<NewRecord>) -> Result<(), Error> {
        if self.away.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Error::Unavailable("away".into()));
        }
        self.published.lock().unwrap().extend(records.iter().map(|record| text(&record.payload)));
        Ok(())
    }

    async fn consume(&self, _: ConsumerGroup, _: Arc<dyn BatchHandler>, stop: CancellationToken) -> Result<(), Error> {
        stop.cancelled().await;
        Ok(())
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct House {
    _database: TestDb,
    pool: Pool,
    stream: Arc<Stream>,
    stop: CancellationToken,
    relays: JoinSet<Result<(), Error>>,
}

impl House {
    async fn build() -> Self {
        let database = TestDb::new(&[&SCHEMA]).await;
        let pool = database.pool(&SCHEMA);
        pool.get().await.unwrap().batch_execute(OUTBOX).await.unwrap();
        let (stream, stop, relays) = (Arc::default(), CancellationToken::new(), JoinSet::new());
        Self { _database: database, pool, stream, stop, relays }
    }

    fn relay(&mut self) {
        let relay = Relay::new(self.pool.clone(), Arc::clone(&self.stream) as Arc<dyn EventLog>);
        self.relays.spawn(relay.run(self.stop.clone()));
    }

    async fn put_in(&self, texts: &[String]) {
        let mut connection = self.pool.get().await.unwrap();
        let records = texts.iter().map(|text| record(&ACCOUNTS, "k", text)).collect();
        connection.transaction(async |connection| enqueue(connection, records).await).await.unwrap();
    }

    async fn rows(&self) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        let mut connection = self.pool.get().await.unwrap();
        let query = diesel::sql_query("SELECT count(*) FROM outbox");
        let row: Row = diesel_async::RunQueryDsl::get_result(query, &mut *connection).await.unwrap();
        row.count
    }

    fn published(&self) -> Vec<String> {
        self.stream.published.lock().unwrap().clone()
    }

    async fn close(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.relays.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_published_once_in_order_and_deleted_whatever_the_number_of_relays() {
    let mut house = House::build().await;
    let all = texts("k", 1_200);
    for _ in 0..3 {
        house.relay();
    }
    for chunk in all.chunks(100) {
        house.put_in(chunk).await;
    }
    eventually(LONG, async || house.rows().await == 0).await;
    assert_eq!(house.published(), all);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_wait_while_the_stream_is_away() {
    let mut house = House::build().await;
    house.stream.away.store(true, Ordering::SeqCst);
    house.relay();
    house.put_in(&texts("k", 3)).await;
    eventually(LONG, async || house.stream.refused.load(Ordering::SeqCst) > 1).await;
    assert_eq!(house.rows().await, 3);
    house.stream.away.store(false, Ordering::SeqCst);
    eventually(LONG, async || house.published() == texts("k", 3)).await;
    eventually(LONG, async || house.rows().await == 0).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_relay_takes_over_when_the_one_at_work_loses_its_connection() {
    let mut house = House::build().await;
    house.relay();
    house.put_in(&texts("a", 1)).await;
    eventually(LONG, async || house.published().len() == 1).await;
    // While the row is there it may be published again.
    eventually(LONG, async || house.rows().await == 0).await;
    house.relay();
    let lose = "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    house.pool.get().await.unwrap().batch_execute(lose).await.unwrap();
    house.put_in(&texts("b", 1)).await;
    eventually(LONG, async || house.published() == ["a-0", "b-0"]).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rolled_back_is_never_published() {
    let mut house = House::build().await;
    let mut connection = house.pool.get().await.unwrap();
    let undone: Result<(), godwit_pg::Error> = connection
        .transaction(async |connection| {
            enqueue(connection, vec![record(&ACCOUNTS, "k", "undone")]).await?;
            Err(diesel::result::Error::RollbackTransaction.into())
        })
        .await;
    undone.unwrap_err();
    drop(connection);
    house.relay();
    house.put_in(&["done".to_owned()]).await;
    eventually(LONG, async || house.rows().await == 0).await;
    assert_eq!(house.published(), ["done"]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_a_newer_release_holds_up_nobody() {
    let mut house = House::build().await;
    let newer = "INSERT INTO outbox (topic, key, payload, headers) VALUES ('godwit.new.v1', '', '', '[]')";
    house.pool.get().await.unwrap().batch_execute(newer).await.unwrap();
    house.put_in(&["known".to_owned()]).await;
    house.relay();
    eventually(LONG, async || house.published() == ["known"]).await;
    eventually(LONG, async || house.rows().await == 1).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_no_stream_takes_fails_the_transaction() {
    let house = House::build().await;
    let mut connection = house.pool.get().await.unwrap();
    let too_large = NewRecord::new(&ACCOUNTS, "k", vec![0; RECORD_BYTES_MAX + 1]);
    enqueue(&mut connection, vec![too_large]).await.unwrap_err();
    drop(connection);
    assert_eq!(house.rows().await, 0);
    house.close().await;
}
