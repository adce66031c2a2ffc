//! What both adapters do with a batch: hand it over until every record of it is taken or buried.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::backoff::Backoff;
use crate::{BatchError, BatchHandler, ConsumerGroup, EventLog, Record, dead_letter, topics};

/// How many calls of one member's handler are under way at the same time; what comes meanwhile shares the next call.
const PARALLEL_MAX: usize = 2;
/// A call for several partitions has no more bytes of records than this.
const SHARED_BYTES_MAX: usize = 1024 * 1024;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// One consumer's way of handing over batches.
///
/// Batches of several partitions that wait at the same time go to the handler in one call, so that a busy stream costs few
/// calls, however many partitions it has. When such a call fails, each of them goes by itself: no partition is held up by
/// another for longer than one call.
pub(crate) struct Delivery {
    group: &'static str,
    max_batch: usize,
    handler: Arc<dyn BatchHandler>,
    log: Arc<dyn EventLog>,
    permits: Semaphore,
    waiting: Mutex<Vec<Waiting>>,
    stop: CancellationToken,
}

/// A batch that waits to be handed over.
struct Waiting {
    topic: &'static str,
    batch: Arc<Vec<Record>>,
    /// Told when others' call took the batch. Dropped when it did not.
    taken: oneshot::Sender<()>,
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
        group: &ConsumerGroup,
        handler: Arc<dyn BatchHandler>,
        log: Arc<dyn EventLog>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            group: group.name,
            max_batch: group.max_batch.max(1),
            handler,
            log,
            permits: Semaphore::new(PARALLEL_MAX),
            waiting: Mutex::default(),
            stop,
        }
    }

    /// Hands over, however long it needs, until all is taken or the consumer stops. Dropping the future is always
    /// right: the batch will be read again.
    pub(crate) async fn deliver(&self, batch: Vec<Record>) -> Delivered {
        let Some(topic) = batch.first().map(|record| record.topic) else {
            return Delivered::All;
        };
        let batch = Arc::new(batch);
        if self.hand_over_with_others(topic, &batch).await {
            return Delivered::All;
        }
        self.deliver_alone(topic, Arc::unwrap_or_clone(batch)).await
    }

    async fn deliver_alone(&self, topic: &'static str, mut batch: Vec<Record>) -> Delivered {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
        while !batch.is_empty() {
            // Held while the handler works only, never during a pause. The semaphore is never closed.
            let permit = self.permits.acquire().await;
            let outcome = self.hand_over(topic, &batch).await;
            drop(permit);
            let pause = match outcome {
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

    /// Whether a call that the batch shared with what waited beside it took it.
    async fn hand_over_with_others(&self, topic: &'static str, batch: &Arc<Vec<Record>>) -> bool {
        let (taken, mut answer) = oneshot::channel();
        self.waiting.lock().push(Waiting { topic, batch: Arc::clone(batch), taken });
        // Batches are often ready together: those that are come to wait before the first call begins.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            taken = &mut answer => return taken.is_ok(),
            permit = self.permits.acquire() => {
                if let Some(outcome) = self.lead(topic, batch, permit).await {
                    return outcome;
                }
            }
        }
        // Somebody else's call has the batch. Without a word of it, the call failed or was given up.
        answer.await.is_ok()
    }

    /// Hands over what waits, `own` among it; `None` when another call has taken `own` along.
    async fn lead(
        &self,
        topic: &'static str,
        own: &Arc<Vec<Record>>,
        _permit: Result<SemaphorePermit<'_>, tokio::sync::AcquireError>,
    ) -> Option<bool> {
        let others = self.take_waiting(topic, own)?;
        let outcome = if others.is_empty() {
            self.hand_over(topic, own).await
        } else {
            let batches = std::iter::once(own).chain(others.iter().map(|other| &other.batch));
            let together: Vec<Record> = batches.flat_map(|batch| batch.iter().cloned()).collect();
            self.hand_over(topic, &together).await
        };
        if outcome.is_ok() {
            for other in others {
                // Who has gone meanwhile reads the records again.
                other.taken.send(()).ok();
            }
        }
        Some(outcome.is_ok())
    }

    /// Takes `own` from what waits, and as much of the rest as one call may have; `None` when `own` is gone.
    fn take_waiting(&self, topic: &'static str, own: &Arc<Vec<Record>>) -> Option<Vec<Waiting>> {
        let mut waiting = self.waiting.lock();
        let place = waiting.iter().position(|waiting| Arc::ptr_eq(&waiting.batch, own))?;
        waiting.swap_remove(place);
        waiting.retain(|waiting| !waiting.taken.is_closed());
        let mut room = self.max_batch.saturating_sub(own.len());
        let mut room_bytes = SHARED_BYTES_MAX.saturating_sub(size_bytes(own));
        let taken = waiting.extract_if(.., |waiting| {
            let bytes = size_bytes(&waiting.batch);
            let fits = waiting.topic == topic && waiting.batch.len() <= room && bytes <= room_bytes;
            if fits {
                room -= waiting.batch.len();
                room_bytes -= bytes;
            }
            fits
        });
        Some(taken.collect())
    }

    async fn hand_over(&self, topic: &'static str, batch: &[Record]) -> Result<(), BatchError> {
        let span = tracing::info_span!(
            "events.handle",
            otel.kind = "consumer",
            messaging.consumer.group = self.group,
            messaging.destination = topic,
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

fn size_bytes(batch: &[Record]) -> usize {
    batch.iter().map(Record::size_bytes).sum()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;
    use time::OffsetDateTime;
    use tokio::task::JoinSet;

    use super::*;
    use crate::NewRecord;

    /// Takes a batch when it gets a permit, unless it holds a record of partition 9 beside others.
    struct Handler {
        calls: Mutex<Vec<Vec<i32>>>,
        gate: Semaphore,
    }

    #[async_trait]
    impl BatchHandler for Handler {
        async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
            let partitions: Vec<i32> = batch.iter().map(|record| record.partition).collect();
            self.calls.lock().push(partitions.clone());
            self.gate.acquire().await.unwrap().forget();
            match partitions.contains(&9) && partitions.len() > 1 {
                true => Err(BatchError::retry("not together")),
                false => Ok(()),
            }
        }
    }

    struct NoLog;

    #[async_trait]
    impl EventLog for NoLog {
        async fn publish(&self, _: Vec<NewRecord>) -> Result<(), crate::Error> {
            unreachable!("nothing is poison")
        }
        async fn consume(
            &self,
            _: ConsumerGroup,
            _: Arc<dyn BatchHandler>,
            _: CancellationToken,
        ) -> Result<(), crate::Error> {
            unreachable!("batches are given")
        }
        async fn check(&self) -> Result<(), crate::Error> {
            Ok(())
        }
    }

    fn scene(max_batch: usize) -> (Arc<Handler>, Arc<Delivery>) {
        let handler = Arc::new(Handler { calls: Mutex::default(), gate: Semaphore::new(0) });
        let group = ConsumerGroup { name: "test", topics: Vec::new(), max_batch };
        let delivery = Delivery::new(&group, handler.clone(), Arc::new(NoLog), CancellationToken::new());
        (handler, Arc::new(delivery))
    }

    fn batch(partition: i32) -> Vec<Record> {
        vec![Record {
            topic: "t",
            partition,
            offset: 0,
            key: Bytes::new(),
            payload: Bytes::new(),
            headers: Vec::new(),
            published_at: OffsetDateTime::UNIX_EPOCH,
        }]
    }

    async fn deliver_while_two_calls_are_under_way(handler: &Handler, delivery: &Arc<Delivery>, partitions: &[i32]) {
        let mut deliveries = JoinSet::new();
        for first in [0, 1] {
            let delivery = Arc::clone(delivery);
            deliveries.spawn(async move { delivery.deliver(batch(first)).await });
            while handler.calls.lock().len() <= usize::try_from(first).unwrap() {
                tokio::task::yield_now().await;
            }
        }
        for partition in partitions.iter().copied() {
            let delivery = Arc::clone(delivery);
            deliveries.spawn(async move { delivery.deliver(batch(partition)).await });
        }
        while delivery.waiting.lock().len() < partitions.len() {
            tokio::task::yield_now().await;
        }
        handler.gate.add_permits(100);
        assert!(deliveries.join_all().await.iter().all(|delivered| *delivered == Delivered::All));
    }

    #[tokio::test]
    async fn what_waits_while_calls_are_under_way_shares_the_next_call_up_to_a_batch() {
        let (handler, delivery) = scene(4);
        deliver_while_two_calls_are_under_way(&handler, &delivery, &[2, 3, 4, 5, 6]).await;
        let mut sizes: Vec<usize> = handler.calls.lock().iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 1, 1, 4]);
    }

    #[tokio::test]
    async fn batches_whose_shared_call_fails_go_by_themselves() {
        let (handler, delivery) = scene(100);
        deliver_while_two_calls_are_under_way(&handler, &delivery, &[2, 9, 3]).await;
        let calls = handler.calls.lock().clone();
        assert_eq!(calls.iter().filter(|call| call.len() > 1).count(), 1, "{calls:?}");
        for partition in [2, 9, 3] {
            assert!(calls.contains(&vec![partition]), "{calls:?}");
        }
    }
}
