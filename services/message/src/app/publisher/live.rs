use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use godwit_live::{Channel, Error, Live, Losses};
use godwit_runtime::Tasks;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{QUEUE_BYTES_MAX, Queued, count, take_waiting};
use crate::app::room::Room;
use crate::events::outgoing::{is_frames, membership_lost};

/// How many payloads may wait.
const QUEUE_MAX: usize = 8_192;
/// How many are published at once.
const BATCH_MAX: usize = 500;
/// Frames of one chat go together up to so many bytes.
const TOGETHER_BYTES_MAX: usize = 64 * 1024;
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
    losses: Arc<Losses>,
}

/// A queue that does not keep its task alive.
#[derive(Clone)]
pub(super) struct WeakLiveQueue {
    queue: mpsc::WeakSender<Queued<LiveItem>>,
    room: Room,
    losses: Arc<Losses>,
}

impl LiveQueue {
    pub(super) fn start(tasks: &Tasks, live: Arc<dyn Live>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let losses = Arc::new(Losses::default());
        let (telling, to) = (Arc::clone(&losses), Arc::clone(&live));
        tasks.spawn("message.tell-losses", |stop| async move {
            telling.tell(&*to, membership_lost(), stop).await;
            Ok(())
        });
        let noting = Arc::clone(&losses);
        tasks.spawn("message.publish-live", |stop| publish(live, queue, noting, stop));
        Self { queue: sender, room: Room::for_bytes(QUEUE_BYTES_MAX), losses }
    }

    pub(super) fn offer(&self, item: LiveItem) {
        let is_awaited = item.taken.is_some();
        let held = self.room.try_take(item.message.1.len());
        if held.is_none_or(|held| self.queue.try_send(Queued { item, held }).is_err()) {
            count("live", "dropped", 1);
            if is_awaited {
                self.losses.note();
            }
        }
    }

    pub(super) fn downgrade(&self) -> WeakLiveQueue {
        WeakLiveQueue { queue: self.queue.downgrade(), room: self.room.clone(), losses: Arc::clone(&self.losses) }
    }
}

impl WeakLiveQueue {
    pub(super) fn upgrade(&self) -> Option<LiveQueue> {
        Some(LiveQueue { queue: self.queue.upgrade()?, room: self.room.clone(), losses: Arc::clone(&self.losses) })
    }
}

/// What live does not take within about a second is given up: clients repair themselves by sync. But nothing repairs that
/// somebody hears on who is out: of that gateways are told later.
async fn publish(
    live: Arc<dyn Live>,
    mut queue: mpsc::Receiver<Queued<LiveItem>>,
    losses: Arc<Losses>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while let Some((items, _held)) = take_waiting(&mut queue, BATCH_MAX).await {
        let count_of_items = items.len();
        let (messages, taken): (Vec<_>, Vec<_>) = items.into_iter().map(|item| (item.message, item.taken)).unzip();
        let mut messages = together(messages);
        let mut pauses = PAUSES.into_iter();
        let mut published = live.publish(messages.clone()).await;
        loop {
            let Err(error) = published else {
                count("live", "published", count_of_items);
                break;
            };
            let pause = pauses.next().filter(|_| !stop.is_cancelled());
            let Some(pause) = pause else {
                count("live", "failed", count_of_items);
                tracing::warn!(error = &error as &dyn std::error::Error, count = count_of_items, "not published live");
                if taken.iter().any(Option::is_some) {
                    losses.note();
                }
                break;
            };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            (messages, published) = publish_by_channel(&*live, messages).await;
        }
        for taken in taken.into_iter().flatten() {
            // Who waited too long has gone.
            taken.send(()).ok();
        }
    }
    Ok(())
}

/// Publishes each channel's messages by themselves: of a cluster perhaps only one part does not take them. Gives what was not
/// taken.
async fn publish_by_channel(
    live: &dyn Live,
    messages: Vec<(Channel, Bytes)>,
) -> (Vec<(Channel, Bytes)>, Result<(), Error>) {
    let mut channels: HashMap<Channel, Vec<(Channel, Bytes)>> = HashMap::new();
    for message in messages {
        channels.entry(message.0).or_default().push(message);
    }
    let publishing = channels.into_values().map(|of_one| async move {
        let published = live.publish(of_one.clone()).await;
        (of_one, published)
    });
    let (mut left, mut outcome) = (Vec::new(), Ok(()));
    for (of_one, published) in join_all(publishing).await {
        if published.is_err() {
            left.extend(of_one);
            outcome = published;
        }
    }
    (left, outcome)
}

/// Puts frames of one chat that follow each other into one payload: each gateway then gets, and reads, one.
fn together(messages: Vec<(Channel, Bytes)>) -> Vec<(Channel, Bytes)> {
    let mut parts: Vec<(Channel, Vec<Bytes>, usize)> = Vec::with_capacity(messages.len());
    // The last payload for each channel, by its place, if it may grow.
    let mut open: HashMap<Channel, usize> = HashMap::new();
    for (channel, payload) in messages {
        if !is_frames(&payload) {
            open.remove(&channel);
            parts.push((channel, vec![payload], 0));
            continue;
        }
        let last = open.get(&channel).and_then(|place| parts.get_mut(*place));
        match last.filter(|(.., bytes)| bytes + payload.len() <= TOGETHER_BYTES_MAX) {
            Some((_, payloads, bytes)) => {
                *bytes += payload.len();
                payloads.push(payload);
            }
            None => {
                open.insert(channel, parts.len());
                let bytes = payload.len();
                parts.push((channel, vec![payload], bytes));
            }
        }
    }
    let joined = |mut payloads: Vec<Bytes>| match payloads.len() {
        1 => payloads.remove(0),
        _ => payloads.concat().into(),
    };
    parts.into_iter().map(|(channel, payloads, _)| (channel, joined(payloads))).collect()
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{ChatId, UserId};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const FRAMES: u8 = 0x0a;
    const OTHER: u8 = 0x2a;

    fn channel(number: u8) -> Channel {
        match number {
            0 => Channel::User(UserId::from_uuid(Uuid::from_u128(1))),
            _ => Channel::Chat(ChatId::from_uuid(Uuid::from_u128(number.into()))),
        }
    }

    proptest! {
        #[test]
        fn each_channel_gets_the_same_bytes_in_the_same_order(
            asked in prop::collection::vec((0_u8..4, any::<bool>(), 1_usize..40_000), 0..40),
        ) {
            let messages: Vec<(Channel, Bytes)> = asked.iter().enumerate().map(|(number, (to, is_frames, len))| {
                let mut bytes = vec![u8::try_from(number).unwrap(); *len];
                bytes[0] = if *is_frames { FRAMES } else { OTHER };
                (channel(*to), bytes.into())
            }).collect();
            let sent = together(messages.clone());
            for number in 0..4 {
                let of = |all: &[(Channel, Bytes)]| -> Vec<Bytes> {
                    all.iter().filter(|(to, _)| *to == channel(number)).map(|(_, bytes)| bytes.clone()).collect()
                };
                prop_assert_eq!(of(&sent).concat(), of(&messages).concat());
                let others = |all: &[Bytes]| all.iter().filter(|bytes| bytes[0] == OTHER).cloned().collect::<Vec<_>>();
                prop_assert_eq!(others(&of(&sent)), others(&of(&messages)), "what is no frames goes alone");
            }
            prop_assert!(sent.iter().all(|(_, bytes)| bytes.len() <= TOGETHER_BYTES_MAX));
            prop_assert!(sent.len() <= messages.len());
        }
    }

    #[test]
    fn frames_of_one_chat_go_together_and_keep_their_place_among_others() {
        let bytes = |first: u8, rest: &'static str| -> Bytes { [&[first], rest.as_bytes()].concat().into() };
        let messages = [(1, FRAMES, "a"), (2, FRAMES, "b"), (1, FRAMES, "c"), (1, OTHER, "d"), (1, FRAMES, "e")];
        let messages = messages.map(|(to, first, rest)| (channel(to), bytes(first, rest)));
        let expected: [(Channel, Bytes); 4] = [
            (channel(1), "\na\nc".into()),
            (channel(2), "\nb".into()),
            (channel(1), "*d".into()),
            (channel(1), "\ne".into()),
        ];
        assert_eq!(together(messages.to_vec()), expected);
    }
}
