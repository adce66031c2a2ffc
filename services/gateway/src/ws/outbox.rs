use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use godwit_contract::v1::ResyncFrame;
use godwit_contract::v1::server_frame::Frame;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::frames::{Encoding, LiveFrame, Wire, notice};

/// Live events that wait for a client; one more, and all that wait are dropped for one `resync`.
const LIVE_COUNT_MAX: usize = 256;
const LIVE_BYTES_MAX: usize = 1024 * 1024;
/// With so many waiting, what only passes by is not put.
const PASSING_COUNT_MAX: usize = LIVE_COUNT_MAX / 4;
/// Answers that wait for a client before what it asked is worked on no further. Answers are never dropped.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// A client that falls behind again within this time after a `resync` stays behind.
const RESPITE: Duration = Duration::from_secs(30);

/// Why a socket is closed, with its code (`API.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client is gone.
    Gone,
    /// The client goes, with this code.
    ByClient(u16),
    /// No valid token, or no longer.
    Unauthenticated,
    /// Not a member of the chat, or no longer.
    Forbidden,
    /// Does not read what it is sent, or gives no sign of life.
    TooSlow,
    /// The user opened more sockets than may be; this is the oldest.
    Replaced,
    /// A frame over the limit.
    FrameTooBig,
    /// More frames than may be.
    Flooding,
    /// Bytes that are no WebSocket.
    Protocol,
    /// A text that is no UTF-8.
    InvalidText,
    /// The gateway goes away.
    Restart,
    /// What is needed to serve the socket is not there now.
    TryAgain,
}

impl Close {
    /// The close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Gone => 1000,
            Self::ByClient(code) => code,
            Self::Protocol => 1002,
            Self::InvalidText => 1007,
            Self::Restart => 1012,
            Self::TryAgain => 1013,
            Self::Unauthenticated => 4401,
            Self::Forbidden => 4403,
            Self::TooSlow => 4408,
            Self::Replaced => 4409,
            Self::FrameTooBig => 4413,
            Self::Flooding => 4429,
        }
    }

    /// For people.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Gone | Self::ByClient(_) => "goodbye",
            Self::Protocol => "protocol error",
            Self::InvalidText => "invalid UTF-8",
            Self::Restart => "restart",
            Self::TryAgain => "try again later",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::TooSlow => "too slow",
            Self::Replaced => "replaced by a newer connection",
            Self::FrameTooBig => "frame too big",
            Self::Flooding => "too many frames",
        }
    }

    /// Whether the client may come back, and is told when.
    pub const fn invites_back(self) -> bool {
        matches!(self, Self::TooSlow | Self::TryAgain)
    }

    /// The code for people who count: what a client says is its own word, and not counted by name.
    pub fn label(self) -> String {
        match self {
            Self::ByClient(code) if !matches!(code, 1000 | 1001 | 1005) => "other".to_owned(),
            close => close.code().to_string(),
        }
    }
}

/// What waits to be written to one client. Bounded: live events are dropped when there are too many and the client
/// told to sync, answers hold up what they answer.
pub struct Outbox {
    encoding: Encoding,
    state: Mutex<State>,
    /// Something waits; for the one writer.
    filled: Notify,
    /// There is room for answers again.
    drained: Notify,
    /// The client is to be sent away; for the one reader.
    leave: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    /// Live events are taken only from `connected` on.
    is_open: bool,
    live_count: usize,
    live_bytes: usize,
    answer_bytes: usize,
    /// A `resync` waits: what is published until the client gets it needs no sending.
    resync_waits: bool,
    fell_behind_at: Option<Instant>,
    /// What the latest ping is answered with; an earlier one needs no answer any more (RFC 6455, section 5.5.3).
    pong: Option<Bytes>,
    leaves_after_ms: Option<u32>,
    closed: Option<Close>,
}

/// One thing to write.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// An event; may be dropped.
    Live(Wire),
    /// An answer to the client.
    Answer(Wire),
    /// Answers a ping of the protocol.
    Pong(Bytes),
    /// Says that events were dropped: sync after so many milliseconds.
    Resync(u32),
    /// The last.
    Close(Close),
}

impl Outbox {
    /// An empty one that does not take live events yet.
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, state: Mutex::default(), filled: Notify::new(), drained: Notify::new(), leave: Notify::new() }
    }

    /// How its client reads.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Puts the `connected` frame and takes live events from now on.
    pub fn open(&self, connected: Wire) {
        let mut state = self.state.lock();
        state.is_open = true;
        state.push(Item::Answer(connected));
        drop(state);
        self.filled.notify_one();
    }

    /// Puts an event, or drops it. A client that falls behind gets one `resync` for all that waits; one that falls
    /// behind again soon after is closed.
    pub fn push_live(&self, frame: &LiveFrame) {
        let Some(wire) = frame.wire(self.encoding) else { return };
        let mut state = self.state.lock();
        if !state.is_open || state.closed.is_some() {
            return;
        }
        if state.resync_waits {
            metrics::counter!("gateway_live_dropped_total").increment(1);
            return;
        }
        if state.live_count < LIVE_COUNT_MAX && state.live_bytes + wire.len() <= LIVE_BYTES_MAX {
            state.push(Item::Live(wire));
        } else if state.fell_behind_at.is_some_and(|at| at.elapsed() < RESPITE) {
            state.close(Close::TooSlow, None);
        } else {
            state.fell_behind_at = Some(Instant::now());
            state.drop_live();
            state.push_resync("behind", 0);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Puts an event that is worth nothing later, unless much waits already: nobody falls behind, or has to sync, by it.
    pub fn push_passing(&self, frame: &LiveFrame) {
        let Some(wire) = frame.wire(self.encoding) else { return };
        let mut state = self.state.lock();
        if !state.is_open || state.closed.is_some() {
            return;
        }
        if state.resync_waits || state.live_count >= PASSING_COUNT_MAX {
            metrics::counter!("gateway_live_dropped_total").increment(1);
            return;
        }
        state.push(Item::Live(wire));
        drop(state);
        self.filled.notify_one();
    }

    /// Tells the client that events may have been lost, and after how many milliseconds it should sync.
    pub fn push_resync(&self, cause: &'static str, after_ms: u32) {
        let mut state = self.state.lock();
        if state.is_open && state.closed.is_none() && !state.resync_waits {
            state.push_resync(cause, after_ms);
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Answers a ping of the protocol, before all else.
    pub fn pong(&self, payload: Bytes) {
        self.state.lock().pong = Some(payload);
        self.filled.notify_one();
    }

    /// Asks whoever reads from the client to finish what it asked and [`Self::finish`]; the client shall come back after so
    /// many milliseconds.
    pub fn ask_to_leave(&self, after_ms: u32) {
        self.state.lock().leaves_after_ms = Some(after_ms);
        self.leave.notify_one();
    }

    /// Waits until the client is to be sent away. For one reader; nothing is lost when it is dropped.
    pub async fn asked_to_leave(&self) -> u32 {
        loop {
            let after_ms = self.state.lock().leaves_after_ms;
            if let Some(after_ms) = after_ms {
                return after_ms;
            }
            self.leave.notified().await;
        }
    }

    /// Puts an answer, once there is room.
    pub async fn push_answer(&self, wire: Wire) {
        let mut wire = Some(wire);
        loop {
            let drained = self.drained.notified();
            if self.try_push_answer(&mut wire) {
                self.filled.notify_one();
                return;
            }
            drained.await;
        }
    }

    /// Whether the answer was put, or needs not be.
    fn try_push_answer(&self, wire: &mut Option<Wire>) -> bool {
        let mut state = self.state.lock();
        if state.closed.is_none() {
            if state.answer_bytes >= ANSWER_BYTES_MAX {
                return false;
            }
            if let Some(wire) = wire.take() {
                state.push(Item::Answer(wire));
            }
        }
        true
    }

    /// Closes: nothing that waits is written any more, but `last`. The first reason stays.
    pub fn close(&self, close: Close, last: Option<Wire>) {
        self.state.lock().close(close, last);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Closes once all that waits is written, and then `last`.
    pub fn finish(&self, close: Close, last: Wire) {
        let mut state = self.state.lock();
        if state.closed.is_none() {
            state.closed = Some(close);
            state.push(Item::Answer(last));
            state.push(Item::Close(close));
        }
        drop(state);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Why it was closed, if it was.
    pub fn closed(&self) -> Option<Close> {
        self.state.lock().closed
    }

    /// The next thing to write, once there is one. For one writer; nothing is lost when it is dropped.
    pub async fn next(&self) -> Item {
        loop {
            if let Some(item) = self.try_next() {
                return item;
            }
            self.filled.notified().await;
        }
    }

    /// The next thing to write, if there is one.
    pub fn try_next(&self) -> Option<Item> {
        let mut state = self.state.lock();
        if let Some(payload) = state.pong.take() {
            return Some(Item::Pong(payload));
        }
        let item = state.queue.pop_front()?;
        match &item {
            Item::Live(wire) => {
                state.live_count -= 1;
                state.live_bytes -= wire.len();
            }
            Item::Answer(wire) => {
                state.answer_bytes -= wire.len();
                if state.answer_bytes < ANSWER_BYTES_MAX {
                    self.drained.notify_waiters();
                }
            }
            Item::Resync(_) => state.resync_waits = false,
            Item::Pong(_) | Item::Close(_) => {}
        }
        if state.queue.is_empty() {
            // An idle connection keeps no room for a busy one.
            state.queue.shrink_to(8);
        }
        Some(item)
    }
}

impl State {
    fn push(&mut self, item: Item) {
        match &item {
            Item::Live(wire) => {
                self.live_count += 1;
                self.live_bytes += wire.len();
            }
            Item::Answer(wire) => self.answer_bytes += wire.len(),
            Item::Resync(_) => self.resync_waits = true,
            Item::Pong(_) | Item::Close(_) => {}
        }
        self.queue.push_back(item);
    }

    fn push_resync(&mut self, cause: &'static str, after_ms: u32) {
        metrics::counter!("gateway_resyncs_total", "cause" => cause).increment(1);
        self.push(Item::Resync(after_ms));
    }

    fn drop_live(&mut self) {
        metrics::counter!("gateway_live_dropped_total").increment(u64::try_from(self.live_count).unwrap_or(0));
        self.queue.retain(|item| !matches!(item, Item::Live(_)));
        self.live_count = 0;
        self.live_bytes = 0;
    }

    fn close(&mut self, close: Close, last: Option<Wire>) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(close);
        self.queue.clear();
        self.pong = None;
        (self.live_count, self.live_bytes, self.answer_bytes) = (0, 0, 0);
        if let Some(last) = last {
            self.push(Item::Answer(last));
        }
        self.push(Item::Close(close));
    }
}

/// The frame that a [`Item::Resync`] is written as.
pub fn resync(encoding: Encoding, after_ms: u32) -> Wire {
    Wire::encode(&notice(Frame::Resync(ResyncFrame { after_ms })), encoding)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn event(bytes: usize) -> LiveFrame {
        LiveFrame::new(Bytes::from(vec![0; bytes]))
    }

    fn wire(bytes: usize) -> Wire {
        Wire::Binary(Bytes::from(vec![1; bytes]))
    }

    fn open() -> Outbox {
        let outbox = Outbox::new(Encoding::Binary);
        outbox.open(wire(1));
        assert_eq!(next(&outbox), Some(Item::Answer(wire(1))));
        outbox
    }

    fn next(outbox: &Outbox) -> Option<Item> {
        outbox.next().now_or_never()
    }

    #[test]
    fn nothing_comes_before_connected() {
        let outbox = Outbox::new(Encoding::Binary);
        outbox.push_live(&event(1));
        outbox.push_resync("test", 0);
        outbox.open(wire(1));
        assert_eq!(next(&outbox), Some(Item::Answer(wire(1))));
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn nobody_falls_behind_by_what_only_passes_by() {
        let outbox = open();
        for _ in 0..LIVE_COUNT_MAX * 2 {
            outbox.push_passing(&event(1));
        }
        let passed = std::iter::from_fn(|| next(&outbox)).collect::<Vec<Item>>();
        assert_eq!(passed.len(), PASSING_COUNT_MAX);
        assert!(passed.iter().all(|item| matches!(item, Item::Live(_))));
        outbox.push_passing(&event(1));
        assert!(matches!(next(&outbox), Some(Item::Live(_))));
    }

    #[test]
    fn a_client_that_falls_behind_gets_one_resync_and_its_answers() {
        let outbox = open();
        for _ in 0..LIVE_COUNT_MAX {
            outbox.push_live(&event(1));
        }
        outbox.push_answer(wire(7)).now_or_never().unwrap();
        outbox.push_live(&event(1));
        for _ in 0..1_000 {
            outbox.push_live(&event(1));
        }
        assert_eq!(next(&outbox), Some(Item::Answer(wire(7))));
        assert_eq!(next(&outbox), Some(Item::Resync(0)));
        assert_eq!(next(&outbox), None);
        outbox.push_live(&event(2));
        assert!(matches!(next(&outbox), Some(Item::Live(_))));
    }

    #[test]
    fn a_client_that_stays_behind_is_closed() {
        let outbox = open();
        for _ in 0..=LIVE_COUNT_MAX {
            outbox.push_live(&event(1));
        }
        assert_eq!(next(&outbox), Some(Item::Resync(0)));
        for _ in 0..=LIVE_COUNT_MAX {
            outbox.push_live(&event(1));
        }
        assert_eq!(next(&outbox), Some(Item::Close(Close::TooSlow)));
        assert_eq!(outbox.closed().map(Close::code), Some(4408));
    }

    #[test]
    fn large_events_count_by_their_size() {
        let outbox = open();
        for _ in 0..9 {
            outbox.push_live(&event(LIVE_BYTES_MAX / 8));
        }
        assert_eq!(next(&outbox), Some(Item::Resync(0)));
    }

    #[test]
    fn an_answer_waits_for_room_and_is_never_dropped() {
        let outbox = open();
        outbox.push_answer(wire(ANSWER_BYTES_MAX)).now_or_never().unwrap();
        let mut second = Box::pin(outbox.push_answer(wire(2)));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(next(&outbox), Some(Item::Answer(wire(ANSWER_BYTES_MAX))));
        second.now_or_never().unwrap();
        assert_eq!(next(&outbox), Some(Item::Answer(wire(2))));
    }

    #[test]
    fn the_latest_ping_is_answered_before_all_else() {
        let outbox = open();
        outbox.push_live(&event(1));
        outbox.pong(Bytes::from_static(b"one"));
        outbox.pong(Bytes::from_static(b"two"));
        assert_eq!(next(&outbox), Some(Item::Pong(Bytes::from_static(b"two"))));
        assert!(matches!(next(&outbox), Some(Item::Live(_))));
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn who_is_sent_away_gets_all_that_waits_first() {
        let outbox = open();
        assert_eq!(outbox.asked_to_leave().now_or_never(), None);
        outbox.ask_to_leave(70);
        assert_eq!(outbox.asked_to_leave().now_or_never(), Some(70));
        outbox.push_live(&event(1));
        outbox.push_answer(wire(2)).now_or_never().unwrap();
        outbox.finish(Close::Restart, wire(3));
        outbox.push_live(&event(1));
        outbox.finish(Close::Restart, wire(4));
        assert!(matches!(next(&outbox), Some(Item::Live(_))));
        assert_eq!(next(&outbox), Some(Item::Answer(wire(2))));
        assert_eq!(next(&outbox), Some(Item::Answer(wire(3))));
        assert_eq!(next(&outbox), Some(Item::Close(Close::Restart)));
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn after_a_close_only_the_last_word_is_written() {
        let outbox = open();
        outbox.push_live(&event(1));
        outbox.close(Close::Restart, Some(wire(3)));
        outbox.close(Close::TooSlow, None);
        outbox.push_live(&event(1));
        outbox.push_resync("test", 0);
        outbox.push_answer(wire(9)).now_or_never().unwrap();
        assert_eq!(next(&outbox), Some(Item::Answer(wire(3))));
        assert_eq!(next(&outbox), Some(Item::Close(Close::Restart)));
        assert_eq!(next(&outbox), None);
    }
}
