//! The streams under test.

use std::sync::Arc;
use std::time::Duration;

use godwit_events::EventLog;
use godwit_events::kafka::{KafkaLog, KafkaOptions};
use godwit_events::postgres::{PostgresLog, PostgresOptions, SCHEMA};
use godwit_pg::{Pool, PoolOptions};
use godwit_testkit::{TestDb, env, unique};

/// A port at which nobody listens.
const NOBODY: &str = "127.0.0.1:1";

/// A stream of a test's own on a real server.
pub trait Stream: Send + Sync + Sized {
    async fn open() -> Self;

    /// The adapter as another process would have it.
    fn member(&self) -> Arc<dyn EventLog>;

    /// The adapter with nobody at the other end.
    fn nowhere() -> Arc<dyn EventLog>;
}

pub struct Kafka {
    prefix: String,
}

impl Stream for Kafka {
    async fn open() -> Self {
        Self { prefix: format!("{}.", unique("events")) }
    }

    fn member(&self) -> Arc<dyn EventLog> {
        Arc::new(kafka(env::kafka(), &self.prefix))
    }

    fn nowhere() -> Arc<dyn EventLog> {
        Arc::new(kafka(NOBODY.to_owned(), ""))
    }
}

pub fn kafka(bootstrap_servers: String, prefix: &str) -> KafkaLog {
    let options = KafkaOptions {
        bootstrap_servers,
        topic_prefix: prefix.to_owned(),
        publish_timeout: Duration::from_secs(5),
        session_timeout: Duration::from_secs(6),
        ..KafkaOptions::default()
    };
    KafkaLog::new(options).unwrap()
}

pub struct Postgres {
    pub database: TestDb,
}

impl Stream for Postgres {
    async fn open() -> Self {
        Self { database: TestDb::new(&[&SCHEMA]).await }
    }

    fn member(&self) -> Arc<dyn EventLog> {
        let options = PostgresOptions { lease: Duration::from_secs(2), ..PostgresOptions::default() };
        Arc::new(PostgresLog::with_options(self.database.pool(&SCHEMA), options))
    }

    fn nowhere() -> Arc<dyn EventLog> {
        let pool = Pool::connect(&format!("postgres://nobody@{NOBODY}/none"), PoolOptions::default()).unwrap();
        Arc::new(PostgresLog::new(pool))
    }
}
