use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use godwit_events::{EventLog, NewRecord};
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_live::{Channel, Live};
use godwit_pg::{self as pg, Pool};
use godwit_runtime::Tasks;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::room::{Held, Room};
use crate::domain::Headers;
use crate::events::outgoing;
use crate::store;

/// How many updates may wait for live, and as many for the stream, and how many bytes of them.
const QUEUE_MAX: usize = 8_192;
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How many updates are published at once.
const BATCH_MAX: usize = 500;
/// Pauses after a failure.
const LIVE_PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];
/// For how long a call waits until live has taken what it published.
const TAKEN_DEADLINE: Duration = Duration::from_secs(1);
/// What waited longer for the stream is read anew.
const FRESH: Duration = Duration::from_millis(500);
const STREAM_PAUSE_FIRST: Duration = Duration::from_millis(100);
const STREAM_PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// An update that is committed.
#[derive(Debug)]
pub struct Committed {
    /// The chat.
    pub chat_id: ChatId,
    /// Its place in the chat's log.
    pub seq: Seq,
    /// The stored bytes.
    pub payload: Bytes,
    /// For the record on the stream.
    pub headers: Headers,
    /// Users who are told on their own.
    pub announced_to: Vec<UserId>,
    /// Who is no member any more.
    pub left: Vec<UserId>,
    /// Told once live has taken the update, or it is given up.
    pub taken: Option<oneshot::Sender<()>>,
}

/// A live payload on its way.
struct LiveItem {
    message: (Channel, Bytes),
    /// Told once live has taken it, or it is given up.
    taken: Option<oneshot::Sender<()>>,
}

/// A record on its way to the stream.
struct StreamItem {
    /// Which update it is.
    address: (ChatId, Seq),
    record: NewRecord,
    since: Instant,
}

/// Whether live has taken something.
#[derive(Debug, Default)]
pub struct Publication(Option<oneshot::Receiver<()>>);

impl Publication {
    /// One that is told of by the sender.
    pub fn pending() -> (oneshot::Sender<()>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Some(receiver)))
    }

    /// Waits until live has taken it, or it is given up, or a second has passed: live is then down, and gateways read anew
    /// whom they serve once it is back.
    pub async fn taken(self) {
        let Some(receiver) = self.0 else { return };
        match tokio::time::timeout(TAKEN_DEADLINE, receiver).await {
            Ok(_) => {}
            Err(_) => metrics::counter!("godwit_message_live_waits_total", "outcome" => "late").increment(1),
        }
    }
}

/// Hands committed updates to live and to the stream, each in the order they were committed in, and never lets a
/// commit wait. What finds a full queue is dropped here: the update is in the outbox, the sweeper will come for it.
///
/// The tasks end when every clone is dropped and what was handed over is published, or given up after the stop.
#[derive(Clone)]
pub struct Publisher {
    live: mpsc::Sender<Queued<LiveItem>>,
    stream: mpsc::Sender<Queued<StreamItem>>,
    live_room: Room,
    stream_room: Room,
}

struct Queued<T> {
    item: T,
    held: Held,
}

impl Publisher {
    /// Starts the tasks.
    pub fn start(tasks: &Tasks, pool: Pool, live: Arc<dyn Live>, events: Arc<dyn EventLog>) -> Self {
        let (live_sender, live_queue) = mpsc::channel(QUEUE_MAX);
        let (stream_sender, stream_queue) = mpsc::channel(QUEUE_MAX);
        tasks.spawn("message.publish-live", |stop| publish_live(live, live_queue, stop));
        tasks.spawn("message.publish-stream", |stop| publish_stream(pool, events, stream_queue, stop));
        Self {
            live: live_sender,
            stream: stream_sender,
            live_room: Room::for_bytes(QUEUE_BYTES_MAX),
            stream_room: Room::for_bytes(QUEUE_BYTES_MAX),
        }
    }

    /// Hands updates to live and to the stream.
    pub fn publish(&self, updates: Vec<Committed>) {
        let mut updates = updates;
        for update in &mut updates {
            let mut taken = update.taken.take();
            let Committed { chat_id, payload, announced_to, left, .. } = update;
            for message in outgoing::live_messages(*chat_id, payload, announced_to, left) {
                let is_for_chat = matches!(message.0, Channel::Chat(_));
                let taken = if is_for_chat { taken.take() } else { None };
                self.offer_live(LiveItem { message, taken });
            }
        }
        self.publish_to_stream(updates);
    }

    fn offer_live(&self, item: LiveItem) {
        let bytes = item.message.1.len();
        offer("live", &self.live, &self.live_room, bytes, item);
    }

    /// One that does not keep the tasks alive.
    pub fn downgrade(&self) -> WeakPublisher {
        WeakPublisher { live: self.live.downgrade(), live_room: self.live_room.clone() }
    }

    /// Hands updates to the stream only.
    pub fn publish_to_stream(&self, updates: Vec<Committed>) {
        for update in updates {
            let bytes = update.payload.len();
            let record = outgoing::stream_record(update.chat_id, update.payload, update.headers);
            let item = StreamItem { address: (update.chat_id, update.seq), record, since: Instant::now() };
            offer("stream", &self.stream, &self.stream_room, bytes, item);
        }
    }

    /// How many updates the stream's queue can take now.
    pub fn stream_places(&self) -> usize {
        self.stream.capacity()
    }
}

/// A [`Publisher`] for those who do not commit.
#[derive(Clone)]
pub struct WeakPublisher {
    live: mpsc::WeakSender<Queued<LiveItem>>,
    live_room: Room,
}

impl WeakPublisher {
    /// Tells whoever serves a chat's channel that users are no members any more, beside any update.
    pub fn publish_left(&self, chat_id: ChatId, left: &[UserId]) -> Publication {
        if left.is_empty() {
            return Publication::default();
        }
        let Some(live) = self.live.upgrade() else {
            return Publication::default();
        };
        let (taken, publication) = Publication::pending();
        let message = (Channel::Chat(chat_id), outgoing::members_left(chat_id, left, Bytes::new()));
        let bytes = message.1.len();
        offer("live", &live, &self.live_room, bytes, LiveItem { message, taken: Some(taken) });
        publication
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
    mut queue: mpsc::Receiver<Queued<LiveItem>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while let Some((items, _held)) = take_batch(&mut queue).await {
        let (messages, taken): (Vec<_>, Vec<_>) = items.into_iter().map(|item| (item.message, item.taken)).unzip();
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
        for taken in taken.into_iter().flatten() {
            // Who waited too long has gone.
            taken.send(()).ok();
        }
    }
    Ok(())
}

/// Keeps at a batch until the stream has it, so that the order within a chat is kept; what comes meanwhile and finds
/// the queue full is left to the sweeper. What had to wait is read anew before it is published: it may be deleted by then.
async fn publish_stream(
    pool: Pool,
    events: Arc<dyn EventLog>,
    mut queue: mpsc::Receiver<Queued<StreamItem>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut recovered_at: Option<Instant> = None;
    while let Some((mut items, _held)) = take_batch(&mut queue).await {
        let mut pause = STREAM_PAUSE_FIRST;
        // What was taken while the stream was down waited for it, however shortly.
        let has_waited = |since: Instant| since.elapsed() > FRESH || recovered_at.is_some_and(|at| since <= at);
        let mut is_stale = items.iter().any(|item| has_waited(item.since));
        let mut has_failed = false;
        loop {
            let problem = match publish_items(&pool, events.as_ref(), &mut items, is_stale).await {
                Ok(()) => {
                    if has_failed {
                        recovered_at = Some(Instant::now());
                    }
                    break;
                }
                Err(problem) => problem,
            };
            tracing::warn!(error = problem.as_ref(), count = items.len(), "the stream is waited for");
            (is_stale, has_failed) = (true, true);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
            pause = (pause * 2).min(STREAM_PAUSE_LONGEST);
        }
    }
    Ok(())
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Tries once; after an error it is worth trying again.
async fn publish_items(
    pool: &Pool,
    events: &dyn EventLog,
    items: &mut Vec<StreamItem>,
    is_stale: bool,
) -> Result<(), Problem> {
    if is_stale {
        read_anew(pool, items).await?;
    }
    if items.is_empty() {
        return Ok(());
    }
    let records: Vec<NewRecord> = items.iter().map(|item| item.record.clone()).collect();
    let Err(error) = events.publish(records.clone()).await else {
        count("stream", "published", records.len());
        return Ok(());
    };
    count("stream", "failed", records.len());
    if error.is_transient() {
        return Err(error.into());
    }
    publish_singly(events, &records).await;
    Ok(())
}

/// Takes the payloads as they are stored now, and leaves out what the log has already.
async fn read_anew(pool: &Pool, items: &mut Vec<StreamItem>) -> Result<(), pg::Error> {
    let addresses: Vec<(ChatId, Seq)> = items.iter().map(|item| item.address).collect();
    let mut conn = pool.get().await?;
    let mut payloads = store::outbox_payloads(&mut conn, &addresses).await?;
    drop(conn);
    items.retain_mut(|item| match payloads.remove(&item.address) {
        Some(payload) => {
            item.record.payload = payload;
            true
        }
        None => false,
    });
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
