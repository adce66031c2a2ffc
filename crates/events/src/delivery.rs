//! What both adapters do with a batch: hand it over until every record of it is taken or buried.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::backoff::Backoff;
use crate::{BatchError, BatchHandler, EventLog, Record, dead_letter, topics};

/// How many batches of one member of a group are handled at the same time.
const PARALLEL_MAX: usize = 8;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// One consumer's way of handing over batches.
pub(crate) struct Delivery {
    group: &'static str,
    handler: Arc<dyn BatchHandler>,
    log: Arc<dyn EventLog>,
    permits: Semaphore,
    stop: CancellationToken,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Every record was taken or is a dead letter.
    All,
    /// The consumer stops, and the batch is not taken yet.
    Abandoned,
}

impl Delivery {
    /// Dead letters are published to `log`.
    pub(crate) fn new(
        group: &'static str,
        handler: Arc<dyn BatchHandler>,
        log: Arc<dyn EventLog>,
        stop: CancellationToken,
    ) -> Self {
        Self { group, handler, log, permits: Semaphore::new(PARALLEL_MAX), stop }
    }

    /// Hands over, however long it needs, until all is taken or the consumer stops. Dropping the future is always
    /// right: the batch will be read again.
    pub(crate) async fn deliver(&self, mut batch: Vec<Record>) -> Delivered {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
        while let Some(topic) = batch.first().map(|record| record.topic) {
            let pause = match self.hand_over(topic, &batch).await {
                Ok(()) => return Delivered::All,
                Err(BatchError::Poison { index, reason }) => match self.bury(&mut batch, index, &reason).await {
                    Ok(()) => {
                        backoff.reset();
                        continue;
                    }
                    Err(error) => self.pause_after(topic, error.as_ref(), &mut backoff),
                },
                Err(BatchError::Retry(error)) => self.pause_after(topic, error.as_ref(), &mut backoff),
            };
            tokio::select! {
                () = self.stop.cancelled() => return Delivered::Abandoned,
                () = tokio::time::sleep(pause) => {}
            }
        }
        Delivered::All
    }

    async fn hand_over(&self, topic: &'static str, batch: &[Record]) -> Result<(), BatchError> {
        // Held while the handler works only, never during a pause. The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let partition = batch.first().map_or(-1, |record| record.partition);
        let span = tracing::info_span!(
            "events.handle",
            otel.kind = "consumer",
            messaging.consumer.group = self.group,
            messaging.destination = topic,
            messaging.partition = partition,
            batch.size = batch.len(),
        );
        crate::trace::follow(&span, batch);
        let started = Instant::now();
        let outcome = self.handler.handle(batch).instrument(span).await;
        let labels = [("group", self.group), ("topic", topic)];
        metrics::histogram!("godwit_events_handle_seconds", &labels).record(started.elapsed());
        if outcome.is_ok() {
            metrics::counter!("godwit_events_consumed_total", &labels).increment(batch.len() as u64);
            #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^52 records")]
            metrics::histogram!("godwit_events_batch_size", &labels).record(batch.len() as f64);
        }
        outcome
    }

    fn pause_after(
        &self,
        topic: &'static str,
        error: &(dyn std::error::Error + 'static),
        backoff: &mut Backoff,
    ) -> Duration {
        let pause = backoff.pause();
        metrics::counter!("godwit_events_retries_total", "group" => self.group, "topic" => topic).increment(1);
        tracing::warn!(group = self.group, topic, pause_ms = pause.as_millis(), error, "a batch will be tried again");
        pause
    }

    /// Takes the record at `index` out of the batch once its dead letter is durable.
    async fn bury(
        &self,
        batch: &mut Vec<Record>,
        index: usize,
        reason: &str,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Some(record) = batch.get(index) else {
            return Err(format!("record {index} of a batch of {} was called poison: {reason}", batch.len()).into());
        };
        // A dead letter that cannot be taken has no further place to go: it stays where it is, and is passed over.
        if record.topic != topics::DEAD_LETTERS.name {
            self.log.publish(vec![dead_letter::of(record, self.group, reason)]).await?;
        }
        metrics::counter!("godwit_events_dead_letters_total", "group" => self.group, "topic" => record.topic)
            .increment(1);
        tracing::error!(
            group = self.group,
            topic = record.topic,
            partition = record.partition,
            offset = record.offset,
            reason,
            "a record is a dead letter"
        );
        batch.remove(index);
        Ok(())
    }
}
