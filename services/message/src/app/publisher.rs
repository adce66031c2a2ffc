use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_events::{EventLog, NewRecord};
use godwit_kernel::{ChatId, UserId};
use godwit_live::{Channel, Live};
use godwit_runtime::Tasks;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::room::{Held, Room};
use crate::domain::Headers;
use crate::events::outgoing;

/// How many updates may wait for live, and as many for the stream, and how many bytes of them.
const QUEUE_MAX: usize = 8_192;
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How many updates are published at once.
const BATCH_MAX: usize = 500;
/// Pauses after a failure.
const LIVE_PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];
const STREAM_PAUSE_FIRST: Duration = Duration::from_millis(100);
const STREAM_PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// An update that is committed.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The chat.
    pub chat_id: ChatId,
    /// The stored bytes.
    pub payload: Bytes,
    /// For the record on the stream.
    pub headers: Headers,
    /// Users who are told on their own.
    pub announced_to: Vec<UserId>,
}

/// Hands committed updates to live and to the stream, each in the order they were committed in, and never lets a
/// commit wait. What finds a full queue is dropped here: the update is in the outbox, the sweeper will come for it.
///
/// The tasks end when every clone is dropped and what was handed over is published, or given up after the stop.
#[derive(Clone)]
pub struct Publisher {
    live: mpsc::Sender<Queued<(Channel, Bytes)>>,
    stream: mpsc::Sender<Queued<NewRecord>>,
    live_room: Room,
    stream_room: Room,
}

struct Queued<T> {
    item: T,
    held: Held,
}

impl Publisher {
    /// Starts the tasks.
    pub fn start(tasks: &Tasks, live: Arc<dyn Live>, events: Arc<dyn EventLog>) -> Self {
        let (live_sender, live_queue) = mpsc::channel(QUEUE_MAX);
        let (stream_sender, stream_queue) = mpsc::channel(QUEUE_MAX);
        tasks.spawn("message.publish-live", |stop| publish_live(live, live_queue, stop));
        tasks.spawn("message.publish-stream", |stop| publish_stream(events, stream_queue, stop));
        Self {
            live: live_sender,
            stream: stream_sender,
            live_room: Room::for_bytes(QUEUE_BYTES_MAX),
            stream_room: Room::for_bytes(QUEUE_BYTES_MAX),
        }
    }

    /// Hands updates to live and to the stream.
    pub fn publish(&self, updates: Vec<Committed>) {
        for update in &updates {
            for message in outgoing::live_messages(update.chat_id, &update.payload, &update.announced_to) {
                let bytes = message.1.len();
                offer("live", &self.live, &self.live_room, bytes, message);
            }
        }
        self.publish_to_stream(updates);
    }

    /// Hands updates to the stream only.
    pub fn publish_to_stream(&self, updates: Vec<Committed>) {
        for update in updates {
            let bytes = update.payload.len();
            let record = outgoing::stream_record(update.chat_id, update.payload, update.headers);
            offer("stream", &self.stream, &self.stream_room, bytes, record);
        }
    }

    /// How many updates the stream's queue can take now.
    pub fn stream_places(&self) -> usize {
        self.stream.capacity()
    }
}

fn offer<T>(to: &'static str, queue: &mpsc::Sender<Queued<T>>, room: &Room, bytes: usize, item: T) {
    let taken = room.try_take(bytes).is_some_and(|held| queue.try_send(Queued { item, held }).is_ok());
    if !taken {
        count(to, "dropped", 1);
    }
}

fn count(to: &'static str, outcome: &'static str, how_many: usize) {
    metrics::counter!("godwit_message_published_total", "to" => to, "outcome" => outcome).increment(how_many as u64);
}

async fn take_batch<T>(queue: &mut mpsc::Receiver<Queued<T>>) -> Option<(Vec<T>, Vec<Held>)> {
    let mut batch = Vec::new();
    queue.recv_many(&mut batch, BATCH_MAX).await;
    if batch.is_empty() {
        return None;
    }
    Some(batch.into_iter().map(|queued| (queued.item, queued.held)).unzip())
}

/// What live does not take within about a second is given up: clients repair themselves by sync.
async fn publish_live(
    live: Arc<dyn Live>,
    mut queue: mpsc::Receiver<Queued<(Channel, Bytes)>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while let Some((messages, _held)) = take_batch(&mut queue).await {
        let mut pauses = LIVE_PAUSES.into_iter();
        loop {
            let Err(error) = live.publish(messages.clone()).await else {
                count("live", "published", messages.len());
                break;
            };
            let pause = pauses.next().filter(|_| !stop.is_cancelled());
            let Some(pause) = pause else {
                count("live", "failed", messages.len());
                tracing::warn!(error = &error as &dyn std::error::Error, count = messages.len(), "not published live");
                break;
            };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }
    Ok(())
}

/// Keeps at a batch until the stream has it, so that the order within a chat is kept; what comes meanwhile and finds
/// the queue full is left to the sweeper.
async fn publish_stream(
    events: Arc<dyn EventLog>,
    mut queue: mpsc::Receiver<Queued<NewRecord>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while let Some((records, _held)) = take_batch(&mut queue).await {
        let mut pause = STREAM_PAUSE_FIRST;
        loop {
            let Err(error) = events.publish(records.clone()).await else {
                count("stream", "published", records.len());
                break;
            };
            count("stream", "failed", records.len());
            if !error.is_transient() {
                publish_singly(events.as_ref(), &records).await;
                break;
            }
            tracing::warn!(error = &error as &dyn std::error::Error, count = records.len(), "the stream is waited for");
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
            pause = (pause * 2).min(STREAM_PAUSE_LONGEST);
        }
    }
    Ok(())
}

/// One record that the stream will never take must not hold up the others of its batch. It stays in the outbox, where
/// sync finds it.
async fn publish_singly(events: &dyn EventLog, records: &[NewRecord]) {
    for record in records {
        match events.publish(vec![record.clone()]).await {
            Ok(()) => count("stream", "published", 1),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an update cannot be published");
            }
        }
    }
}
