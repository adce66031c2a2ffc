use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_events::{EventLog, NewRecord};
use godwit_kernel::{ChatId, Seq};
use godwit_pg::{self as pg, Pool};
use godwit_runtime::Tasks;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Committed, CommittedBatch, QUEUE_BYTES_MAX, Queued, count, take_waiting};
use crate::app::room::Room;
use crate::events::outgoing;
use crate::store;

/// How many batches may wait.
const QUEUE_MAX: usize = 1_024;
/// How many are published at once.
const TOGETHER_MAX: usize = 64;
/// From one round to the next under load. A record costs the stream little, a request for each partition much; whoever
/// reads the stream waits longer for its answers than this. What comes after a silence goes at once, and so does what a
/// full round had no room for.
const ROUND: Duration = Duration::from_millis(100);
/// What waited longer is read anew.
const FRESH: Duration = Duration::from_millis(500);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// A batch on its way.
pub(super) struct StreamBatch {
    batch_id: Uuid,
    items: Vec<StreamItem>,
    since: Instant,
}

struct StreamItem {
    /// Which update it is.
    address: (ChatId, Seq),
    record: NewRecord,
}

impl StreamBatch {
    pub(super) fn of(batch: CommittedBatch) -> Self {
        let items = batch.updates.into_iter().map(|update| {
            let Committed { chat_id, seq, payload, headers, .. } = update;
            StreamItem { address: (chat_id, seq), record: outgoing::stream_record(chat_id, payload, headers) }
        });
        Self { batch_id: batch.batch_id, items: items.collect(), since: Instant::now() }
    }

    fn size_bytes(&self) -> usize {
        self.items.iter().map(|item| item.record.payload.len()).sum()
    }
}

#[derive(Clone)]
pub(super) struct StreamQueue {
    queue: mpsc::Sender<Queued<StreamBatch>>,
    room: Room,
    on_their_way: OnTheirWay,
}

/// The batches that are in the queue or being published: the sweeper must not fill the queue with the same ones.
type OnTheirWay = Arc<Mutex<HashSet<Uuid>>>;

impl StreamQueue {
    pub(super) fn start(tasks: &Tasks, pool: Pool, events: Arc<dyn EventLog>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let on_their_way = OnTheirWay::default();
        let stream = Stream { pool, events, on_their_way: Arc::clone(&on_their_way), recovered_at: None };
        tasks.spawn("message.publish-stream", |stop| stream.run(queue, stop));
        Self { queue: sender, room: Room::for_bytes(QUEUE_BYTES_MAX), on_their_way }
    }

    pub(super) fn offer(&self, batch: StreamBatch) {
        let (batch_id, count_of_updates) = (batch.batch_id, batch.items.len());
        if count_of_updates == 0 || !self.on_their_way.lock().insert(batch_id) {
            return;
        }
        let held = self.room.try_take(batch.size_bytes());
        if held.is_none_or(|held| self.queue.try_send(Queued { item: batch, held }).is_err()) {
            self.on_their_way.lock().remove(&batch_id);
            count("stream", "dropped", count_of_updates);
        }
    }

    /// How many more batches it can take now; none when their bytes might not find room.
    pub(super) fn places(&self) -> usize {
        if self.room.free_bytes() < QUEUE_BYTES_MAX / 4 { 0 } else { self.queue.capacity() }
    }
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

struct Stream {
    pool: Pool,
    events: Arc<dyn EventLog>,
    on_their_way: OnTheirWay,
    /// When the stream came back.
    recovered_at: Option<Instant>,
}

impl Stream {
    /// Keeps at some batches until the stream has them, so that the order within a chat is kept; what comes meanwhile and
    /// finds the queue full is left to the sweeper.
    async fn run(
        mut self,
        mut queue: mpsc::Receiver<Queued<StreamBatch>>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut round = Instant::now();
        loop {
            // After the stop what is left goes at once.
            stop.run_until_cancelled(tokio::time::sleep_until(round.into())).await;
            let Some((batches, _held)) = take_waiting(&mut queue, TOGETHER_MAX).await else { return Ok(()) };
            let is_full = batches.len() == TOGETHER_MAX;
            round = Instant::now() + if is_full { Duration::ZERO } else { ROUND };
            let batch_ids: Vec<Uuid> = batches.iter().map(|batch| batch.batch_id).collect();
            if self.publish_in_the_end(batches, &stop).await {
                self.forget(&batch_ids).await;
            }
            let mut on_their_way = self.on_their_way.lock();
            for batch_id in &batch_ids {
                on_their_way.remove(batch_id);
            }
        }
    }

    /// Whether the stream has them; it waits for the stream until the stop. What had to wait is read anew before it is
    /// published: it may be deleted by then.
    async fn publish_in_the_end(&mut self, batches: Vec<StreamBatch>, stop: &CancellationToken) -> bool {
        // What was taken while the stream was down waited for it, however shortly.
        let has_waited = |since: Instant| since.elapsed() > FRESH || self.recovered_at.is_some_and(|at| since <= at);
        let mut is_stale = batches.iter().any(|batch| has_waited(batch.since));
        let mut items: Vec<StreamItem> = batches.into_iter().flat_map(|batch| batch.items).collect();
        let mut has_failed = false;
        let mut pause = PAUSE_FIRST;
        loop {
            let Err(problem) = self.publish(&mut items, is_stale).await else {
                if has_failed {
                    self.recovered_at = Some(Instant::now());
                }
                return true;
            };
            tracing::warn!(error = problem.as_ref(), count = items.len(), "the stream is waited for");
            (is_stale, has_failed) = (true, true);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return false;
            }
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    /// Tries once; after an error it is worth trying again.
    async fn publish(&self, items: &mut Vec<StreamItem>, is_stale: bool) -> Result<(), Problem> {
        if is_stale {
            self.read_anew(items).await?;
        }
        if items.is_empty() {
            return Ok(());
        }
        let Err(error) = self.events.publish(items.iter().map(|item| item.record.clone()).collect()).await else {
            count("stream", "published", items.len());
            return Ok(());
        };
        count("stream", "failed", items.len());
        if error.is_transient() {
            return Err(error.into());
        }
        self.publish_singly(items).await
    }

    /// Takes the payloads as they are stored now, and leaves out what the log has no more.
    async fn read_anew(&self, items: &mut Vec<StreamItem>) -> Result<(), pg::Error> {
        let addresses: Vec<(ChatId, Seq)> = items.iter().map(|item| item.address).collect();
        let mut conn = self.pool.get().await?;
        let mut payloads = store::stored_payloads(&mut conn, &addresses).await?;
        drop(conn);
        items.retain_mut(|item| match payloads.remove(&item.address) {
            Some(payload) => {
                item.record.payload = payload.payload;
                true
            }
            None => false,
        });
        Ok(())
    }

    /// One record that the stream will never take must not hold up the others. It is in the log, where sync finds it.
    async fn publish_singly(&self, items: &[StreamItem]) -> Result<(), Problem> {
        for item in items {
            match self.events.publish(vec![item.record.clone()]).await {
                Ok(()) => count("stream", "published", 1),
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    count("stream", "refused", 1);
                    tracing::error!(error = &error as &dyn std::error::Error, "an update cannot be published");
                }
            }
        }
        Ok(())
    }

    /// Takes batches out of the outbox. Those that stay are published once more by the sweeper, which harms nobody.
    async fn forget(&self, batch_ids: &[Uuid]) {
        let forgotten = async {
            let mut conn = self.pool.get().await?;
            store::forget_batches(&mut conn, batch_ids).await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "published batches are still in the outbox");
        }
    }
}
