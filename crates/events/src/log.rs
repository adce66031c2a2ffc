use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{BatchHandler, ConsumerGroup, Error, NewRecord};

/// The port to the stream. Records of one key keep their order; a record may be delivered more than once.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Publishes all records; the order of `records` is kept within a key. Returns when every record is durable
    /// (Kafka: `acks=all`, idempotent producer; PostgreSQL: committed).
    ///
    /// # Errors
    /// When any record may not be durable; publishing all of them again is always right.
    async fn publish(&self, records: Vec<NewRecord>) -> Result<(), Error>;

    /// Reads as a member of `group` until `stop` is cancelled, then leaves the group. A batch's offsets are committed
    /// after `handler` took it. A batch that must be retried pauses only its partition; a poison record goes to the
    /// dead-letter topic and never stops a partition.
    ///
    /// # Errors
    /// Only when reading can never succeed (wrong configuration); an unreachable stream is waited for.
    async fn consume(
        &self,
        group: ConsumerGroup,
        handler: Arc<dyn BatchHandler>,
        stop: CancellationToken,
    ) -> Result<(), Error>;

    /// Whether the stream answers now, for readiness and `doctor`.
    ///
    /// # Errors
    /// When it does not.
    async fn check(&self) -> Result<(), Error>;
}

pub(crate) fn count_published(records: &[NewRecord], outcome: &Result<(), Error>) {
    let name = if outcome.is_ok() { "godwit_events_published_total" } else { "godwit_events_publish_errors_total" };
    for same_topic in records.chunk_by(|one, next| one.topic == next.topic) {
        let Some(first) = same_topic.first() else { continue };
        metrics::counter!(name, "topic" => first.topic.name).increment(same_topic.len() as u64);
    }
}
