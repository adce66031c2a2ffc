//! What only the stream in PostgreSQL can show.

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use godwit_events::postgres::{PostgresLog, PostgresOptions, SCHEMA};
use godwit_events::topics::{CALLS, CHAT_UPDATES};
use godwit_pg::Pool;
use godwit_testkit::eventually;
use tokio::task::JoinSet;

use crate::group::{Ledger, Member, group, record, texts};
use crate::streams::{Postgres, Stream as _};

const LONG: Duration = Duration::from_secs(60);

async fn count(pool: &Pool, query: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let mut connection = pool.get().await.unwrap();
    let row: Row = diesel::sql_query(query).get_result(&mut *connection).await.unwrap();
    row.count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_have_no_gaps_whoever_publishes() {
    let stream = Postgres::open().await;
    let mut publishers = JoinSet::new();
    for number in 0..8 {
        let log = stream.member();
        publishers.spawn(async move {
            for text in texts(&format!("p{number}"), 50) {
                // Keys in another order than others': the partitions' locks must be taken in one order.
                let records = ["x", "y", "z"].map(|key| record(&CALLS, &format!("{key}{number}{text}"), &text));
                log.publish(records.to_vec()).await.unwrap();
            }
        });
    }
    publishers.join_all().await;
    let pool = stream.database.pool(&SCHEMA);
    assert_eq!(count(&pool, "SELECT count(*) FROM records").await, 8 * 50 * 3);
    let gaps = "SELECT count(*) FROM partitions p \
                WHERE p.next_offset <> (SELECT count(*) FROM records r \
                                        WHERE r.topic = p.topic AND r.partition = p.partition) \
                   OR p.next_offset - 1 <> (SELECT max(record_offset) FROM records r \
                                            WHERE r.topic = p.topic AND r.partition = p.partition)";
    assert_eq!(count(&pool, gaps).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_woken_by_a_notification() {
    let stream = Postgres::open().await;
    let options = PostgresOptions {
        lease: Duration::from_secs(3_600),
        poll_interval: Duration::from_secs(3_600),
        ..PostgresOptions::default()
    };
    let reader = Arc::new(PostgresLog::with_options(stream.database.pool(&SCHEMA), options));
    let ledger = Ledger::open();
    let member = Member::join(reader, group("woken", &[&CALLS], 10), ledger.clone());
    let pool = stream.database.pool(&SCHEMA);
    let listening = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    eventually(LONG, async || count(&pool, listening).await == 1).await;
    eventually(LONG, async || count(&pool, "SELECT count(*) FROM group_partitions").await > 0).await;
    stream.member().publish(vec![record(&CALLS, "k", "wake up")]).await.unwrap();
    // It would look by itself in an hour.
    eventually(LONG, async || ledger.has_all(&["wake up".to_owned()])).await;
    member.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_past_their_retention_are_deleted() {
    let stream = Postgres::open().await;
    let pool = stream.database.pool(&SCHEMA);
    let log = stream.member();
    log.publish(texts("old", 20).iter().map(|text| record(&CALLS, text, text)).collect()).await.unwrap();
    let mut connection = pool.get().await.unwrap();
    connection.batch_execute("UPDATE records SET published_at = now() - interval '8 days'").await.unwrap();
    log.publish(vec![record(&CALLS, "new", "new")]).await.unwrap();

    let options = PostgresOptions { retention_interval: Duration::from_millis(50), ..PostgresOptions::default() };
    let keeper = Arc::new(PostgresLog::with_options(stream.database.pool(&SCHEMA), options));
    let member = Member::join(keeper, group("keeper", &[&CHAT_UPDATES], 10), Ledger::open());
    eventually(LONG, async || count(&pool, "SELECT count(*) FROM records").await == 1).await;
    member.leave().await;

    let ledger = Ledger::open();
    let reader = Member::join(log, group("reader", &[&CALLS], 10), ledger.clone());
    eventually(LONG, async || ledger.texts() == ["new"]).await;
    reader.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_and_reading_go_on_when_the_database_is_back() {
    let stream = Postgres::open().await;
    let log = stream.member();
    let ledger = Ledger::open();
    let member = Member::join(stream.member(), group("back", &[&CHAT_UPDATES], 10), ledger.clone());
    log.publish(vec![record(&CHAT_UPDATES, "k", "before")]).await.unwrap();
    eventually(LONG, async || ledger.has_all(&["before".to_owned()])).await;

    let server = Pool::connect(&godwit_testkit::env::database_url(), godwit_pg::PoolOptions::default()).unwrap();
    let mut admin = server.dedicated().await.unwrap();
    let name = stream.database.url().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let away = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    admin.batch_execute(&away).await.unwrap();
    let error = log.publish(vec![record(&CHAT_UPDATES, "k", "meanwhile")]).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await.unwrap();
    eventually(LONG, async || log.publish(vec![record(&CHAT_UPDATES, "k", "after")]).await).await;
    eventually(LONG, async || ledger.has_all(&["after".to_owned()])).await;
    member.leave().await;
}
