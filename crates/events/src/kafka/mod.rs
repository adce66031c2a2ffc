//! The stream on Kafka, for clusters.
//!
//! Publishing is idempotent and waits for all in-sync replicas. A consumer polls without pause, so that it stays in
//! its group whatever its handlers do; each partition has a bounded buffer and is paused at the broker when it is
//! full. Offsets are stored when a batch was taken and committed twice a second and when partitions move.

mod client;
mod consumer;
mod context;
mod lanes;
mod options;
mod producer;
mod topics;

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use options::KafkaOptions;

use crate::delivery::Delivery;
use crate::topics::Topic;
use crate::{BatchHandler, ConsumerGroup, Error, EventLog, NewRecord};

/// The stream on a Kafka cluster. Clones share the producer.
#[derive(Clone)]
pub struct KafkaLog {
    inner: Arc<Inner>,
}

struct Inner {
    options: KafkaOptions,
    producer: producer::Producer,
    topics: topics::Topics,
}

impl KafkaLog {
    /// Prepares the producer; the cluster need not be up yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when librdkafka refuses a property.
    pub fn new(options: KafkaOptions) -> Result<Self, Error> {
        let inner =
            Inner { producer: producer::Producer::new(&options)?, topics: topics::Topics::new(&options)?, options };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Creates the topics that do not exist. Publishing and consuming do it by themselves when they first see a topic.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    pub async fn ensure_topics(&self, topics: &[&'static Topic]) -> Result<(), Error> {
        self.inner.topics.ensure(topics).await
    }

    async fn send(&self, records: &[NewRecord]) -> Result<(), Error> {
        for record in records {
            record.validate()?;
        }
        for same_topic in records.chunk_by(|one, next| one.topic == next.topic) {
            if let Some(first) = same_topic.first() {
                self.inner.topics.ensure(&[first.topic]).await?;
            }
        }
        self.inner.producer.send(records).await
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    async fn publish(&self, records: Vec<NewRecord>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let outcome = self.send(&records).await;
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
        consumer::consume(self, group, Arc::new(delivery), stop).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.inner.topics.check().await
    }
}
