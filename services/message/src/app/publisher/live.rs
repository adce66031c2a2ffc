use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_live::{Channel, Live};
use godwit_runtime::Tasks;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{QUEUE_BYTES_MAX, Queued, count, take_waiting};
use crate::app::room::Room;

/// How many payloads may wait.
const QUEUE_MAX: usize = 8_192;
/// How many are published at once.
const BATCH_MAX: usize = 500;
/// Pauses after a failure.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// A live payload on its way.
pub(super) struct LiveItem {
    pub message: (Channel, Bytes),
    /// Told once live has taken it, or it is given up.
    pub taken: Option<oneshot::Sender<()>>,
}

#[derive(Clone)]
pub(super) struct LiveQueue {
    queue: mpsc::Sender<Queued<LiveItem>>,
    room: Room,
}

/// A queue that does not keep its task alive.
#[derive(Clone)]
pub(super) struct WeakLiveQueue {
    queue: mpsc::WeakSender<Queued<LiveItem>>,
    room: Room,
}

impl LiveQueue {
    pub(super) fn start(tasks: &Tasks, live: Arc<dyn Live>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        tasks.spawn("message.publish-live", |stop| publish(live, queue, stop));
        Self { queue: sender, room: Room::for_bytes(QUEUE_BYTES_MAX) }
    }

    pub(super) fn offer(&self, item: LiveItem) {
        let held = self.room.try_take(item.message.1.len());
        if held.is_none_or(|held| self.queue.try_send(Queued { item, held }).is_err()) {
            count("live", "dropped", 1);
        }
    }

    pub(super) fn downgrade(&self) -> WeakLiveQueue {
        WeakLiveQueue { queue: self.queue.downgrade(), room: self.room.clone() }
    }
}

impl WeakLiveQueue {
    pub(super) fn upgrade(&self) -> Option<LiveQueue> {
        Some(LiveQueue { queue: self.queue.upgrade()?, room: self.room.clone() })
    }
}

/// What live does not take within about a second is given up: clients repair themselves by sync.
async fn publish(
    live: Arc<dyn Live>,
    mut queue: mpsc::Receiver<Queued<LiveItem>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while let Some((items, _held)) = take_waiting(&mut queue, BATCH_MAX).await {
        let (messages, taken): (Vec<_>, Vec<_>) = items.into_iter().map(|item| (item.message, item.taken)).unzip();
        let mut pauses = PAUSES.into_iter();
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
