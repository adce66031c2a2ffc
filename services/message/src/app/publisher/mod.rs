//! What follows a commit.

mod links;
mod live;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_events::EventLog;
use godwit_kernel::{ChatId, Seq, UserId};
use godwit_live::{Channel, Live};
use godwit_pg::Pool;
use godwit_runtime::Tasks;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::links::LinkQueue;
use self::live::{LiveItem, LiveQueue};
use self::stream::{StreamBatch, StreamQueue};
use super::LinkedMessage;
use super::room::Held;
use crate::domain::Headers;
use crate::events::outgoing;

/// How many bytes may wait for live, and as many for the stream.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// For how long a call waits until live has taken what it published.
const TAKEN_DEADLINE: Duration = Duration::from_secs(1);

/// Updates that are committed together.
#[derive(Debug)]
pub struct CommittedBatch {
    /// The batch in the outbox.
    pub batch_id: Uuid,
    /// In the order in which they were numbered.
    pub updates: Vec<Committed>,
}

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
    /// It says something that not all members may see.
    pub is_for_some: bool,
    /// Users who are told on their own.
    pub announced_to: Vec<UserId>,
    /// Who is no member any more.
    pub left: Vec<UserId>,
    /// Told once live has taken the update, or it is given up.
    pub taken: Option<oneshot::Sender<()>>,
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
/// commit wait. What finds a full queue is dropped here: its batch is in the outbox, the sweeper will come for it.
///
/// The tasks end when every clone is dropped and what was handed over is published, or given up after the stop.
#[derive(Clone)]
pub struct Publisher {
    live: LiveQueue,
    stream: StreamQueue,
    links: LinkQueue,
}

impl Publisher {
    /// Starts the tasks. The links of messages go to `links`, if anybody reads them.
    pub fn start(
        tasks: &Tasks,
        pool: Pool,
        live: Arc<dyn Live>,
        events: Arc<dyn EventLog>,
        links: Option<mpsc::Sender<LinkedMessage>>,
    ) -> Self {
        let live = LiveQueue::start(tasks, live);
        let stream = StreamQueue::start(tasks, pool, events);
        Self { live, stream, links: LinkQueue(links) }
    }

    /// Hands a batch to live and to the stream, and its links to whoever reads them.
    pub fn publish(&self, batch: CommittedBatch) {
        let mut batch = batch;
        for update in &mut batch.updates {
            self.links.offer(&update.payload);
            let mut taken = update.taken.take();
            let Committed { chat_id, seq, payload, is_for_some, announced_to, left, .. } = update;
            for mut message in outgoing::live_messages(*chat_id, payload, announced_to, left) {
                let is_for_chat = matches!(message.0, Channel::Chat(_));
                if is_for_chat && *is_for_some {
                    message = outgoing::advanced(*chat_id, *seq);
                }
                let taken = if is_for_chat { taken.take() } else { None };
                self.live.offer(LiveItem { message, taken });
            }
        }
        self.publish_to_stream(batch);
    }

    /// One that does not keep the tasks alive.
    pub fn downgrade(&self) -> WeakPublisher {
        WeakPublisher(self.live.downgrade())
    }

    /// Hands a batch to the stream only.
    pub fn publish_to_stream(&self, batch: CommittedBatch) {
        self.stream.offer(StreamBatch::of(batch));
    }

    /// How many batches the stream's queue can take now.
    pub fn stream_places(&self) -> usize {
        self.stream.places()
    }
}

/// A [`Publisher`] for those who do not commit.
#[derive(Clone)]
pub struct WeakPublisher(live::WeakLiveQueue);

impl WeakPublisher {
    /// Tells whoever serves a chat's channel that users are no members any more, beside any update.
    pub fn publish_left(&self, chat_id: ChatId, left: &[UserId]) -> Publication {
        if left.is_empty() {
            return Publication::default();
        }
        let Some(live) = self.0.upgrade() else {
            return Publication::default();
        };
        let (taken, publication) = Publication::pending();
        let message = (Channel::Chat(chat_id), outgoing::members_left(chat_id, left, Bytes::new()));
        live.offer(LiveItem { message, taken: Some(taken) });
        publication
    }
}

struct Queued<T> {
    item: T,
    held: Held,
}

/// What waits, up to `max` of it; `None` when nothing will come any more.
async fn take_waiting<T>(queue: &mut mpsc::Receiver<Queued<T>>, max: usize) -> Option<(Vec<T>, Vec<Held>)> {
    let mut waiting = Vec::new();
    queue.recv_many(&mut waiting, max).await;
    if waiting.is_empty() {
        return None;
    }
    Some(waiting.into_iter().map(|queued| (queued.item, queued.held)).unzip())
}

fn count(to: &'static str, outcome: &'static str, how_many: usize) {
    metrics::counter!("godwit_message_published_total", "to" => to, "outcome" => outcome).increment(how_many as u64);
}
