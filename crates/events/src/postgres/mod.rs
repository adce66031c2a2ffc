//! The stream in PostgreSQL, for one machine: the same promises as Kafka's without Kafka.
//!
//! Appending locks the partitions' head rows until the commit, so offsets have no gaps and become visible in order.
//! The members of a group share the partitions by leases that they renew every second; a position is kept only by the
//! member that holds the lease. Readers are woken in the process that published, by `NOTIFY` in others, and look by
//! themselves twice a second.

mod caretaker;
mod consumer;
mod options;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use godwit_kernel::{Entropy, SystemEntropy};
use godwit_pg::Pool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use crate::store::SCHEMA;
pub use options::PostgresOptions;

use crate::delivery::Delivery;
use crate::topics::{self, Topic};
use crate::{BatchHandler, ConsumerGroup, Error, EventLog, NewRecord, store};

/// The most records appended by one transaction.
const PUBLISH_CHUNK: usize = 1_000;

/// The stream in the tables of [`SCHEMA`]. Clones share everything.
#[derive(Clone)]
pub struct PostgresLog {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    options: PostgresOptions,
    /// Tells this process's notifications from others'.
    process: String,
    /// Counts the reasons to look for new records.
    wake: watch::Sender<u64>,
    /// Held by the one consumer of this process that listens and deletes old records for all.
    caretaker: tokio::sync::Mutex<()>,
    /// The topics whose partitions exist.
    created: Mutex<HashSet<&'static str>>,
}

impl PostgresLog {
    /// The stream in the database of `pool`, a pool of the role of [`SCHEMA`], with the default limits.
    pub fn new(pool: Pool) -> Self {
        Self::with_options(pool, PostgresOptions::default())
    }

    /// The same with limits of the caller's choice.
    pub fn with_options(pool: Pool, options: PostgresOptions) -> Self {
        let inner = Inner {
            pool,
            options,
            process: random_id().to_string(),
            wake: watch::Sender::new(0),
            caretaker: tokio::sync::Mutex::new(()),
            created: Mutex::new(HashSet::new()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Creates the partitions of the topics that have none. Publishing and consuming do it by themselves when they
    /// first see a topic.
    ///
    /// # Errors
    /// When the database does not answer or refuses.
    pub async fn ensure_topics(&self, topics: &[&'static Topic]) -> Result<(), Error> {
        for &topic in topics {
            if self.inner.created.lock().unwrap_or_else(PoisonError::into_inner).contains(topic.name) {
                continue;
            }
            let mut connection = self.inner.pool.get().await?;
            store::create_partitions(&mut connection, topic).await?;
            self.inner.created.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.name);
        }
        Ok(())
    }

    async fn append(&self, records: &[NewRecord]) -> Result<(), Error> {
        for record in records {
            record.validate()?;
        }
        let topics: HashSet<&'static Topic> = records.iter().map(|record| record.topic).collect();
        for topic in topics {
            self.ensure_topics(&[topic]).await?;
        }
        let mut connection = self.inner.pool.get().await?;
        for chunk in records.chunks(PUBLISH_CHUNK) {
            store::publish(&mut connection, chunk).await?;
            self.inner.wake.send_modify(|count| *count = count.wrapping_add(1));
        }
        // The records are durable; whoever misses this finds them at its next look.
        if let Err(error) = store::notify(&mut connection, &self.inner.process).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "other processes were not notified");
        }
        Ok(())
    }
}

#[async_trait]
impl EventLog for PostgresLog {
    async fn publish(&self, records: Vec<NewRecord>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let outcome = self.append(&records).await;
        crate::log::count_published(&records, &outcome);
        outcome
    }

    async fn consume(
        &self,
        group: ConsumerGroup,
        handler: Arc<dyn BatchHandler>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let delivery = Delivery::new(&group, handler, Arc::new(self.clone()), stop.clone());
        let consumer = consumer::Consumer::new(Arc::clone(&self.inner), group, delivery);
        tokio::select! {
            outcome = consumer.run(self, stop) => outcome,
            never = caretaker::run(&self.inner) => match never {},
        }
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(self.inner.pool.check().await?)
    }
}

fn random_id() -> Uuid {
    let entropy: &dyn Entropy = &SystemEntropy;
    uuid::Builder::from_random_bytes(entropy.bytes()).into_uuid()
}

/// The topics that exist in code, by the name that a row has.
fn topic_name(name: &str, of: &[&'static Topic]) -> Option<&'static str> {
    of.iter().find(|topic| topic.name == name).map(|topic| topic.name).or_else(|| topics::by_name(name).map(|t| t.name))
}
