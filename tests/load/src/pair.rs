//! The hot loop: one sender and one receiver.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use godwit_contract::v1::{
    AckFrame, ClientFrame, ErrorFrame, SendMessageFrame, ServerFrame, Update, client_frame, server_frame, update,
};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

use crate::ledger::Ledger;
use crate::options::Encoding;
use crate::wire::Socket;

/// A message that is under way for so long gives its place to another.
const GIVE_UP: Duration = Duration::from_secs(10);
/// How often a pair looks at its clock when nothing happens.
const TICK: Duration = Duration::from_secs(1);
/// Between tries to connect again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// The most messages of a pair under way in an open loop.
const OPEN_LOOP_MAX: usize = 10_000;
/// Shortest pause after a refusal: a server that refuses everything must not be asked in a busy loop.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// In which arrivals are counted, so that stalls show.
pub const SPAN: Duration = Duration::from_millis(20);

/// What is measured, over all pairs.
pub struct Recorder {
    /// Send to acknowledgement, in microseconds.
    pub ack: Histogram<u64>,
    /// Send to arrival, in microseconds.
    pub receive: Histogram<u64>,
    /// Arrivals within the measured time.
    pub received_count: u64,
    /// The same in spans of [`SPAN`], from the begin of the measured time.
    pub received_by_span: Vec<u32>,
    /// Sockets that broke.
    pub disconnect_count: u64,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
}

/// When what happens.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Messages sent from here on are measured,
    pub measure_from: Instant,
    /// until here, where sending ends.
    pub send_until: Instant,
    /// Then what is under way is waited for until here.
    pub drain_until: Instant,
    /// How messages are paced.
    pub pace: Pace,
}

/// How messages are paced.
#[derive(Clone, Copy)]
pub enum Pace {
    /// So many under way.
    Closed(usize),
    /// One each interval, the first at this instant.
    Open { first_at: Instant, interval: Duration },
}

/// One end of a pair: where it connects, and as whom.
pub struct End {
    pub gateway: Url,
    pub token: String,
    pub encoding: Encoding,
}

impl End {
    pub async fn open(&self) -> anyhow::Result<Socket> {
        Socket::open(&self.gateway, &self.token, self.encoding).await
    }
}

/// A pair in its run.
pub struct Pair {
    /// Tells this run's messages from others of the same chat.
    pub run: String,
    pub chat_id: String,
    pub text_chars: usize,
    pub sender: (End, Socket),
    pub receiver: (End, Socket),
    pub plan: Plan,
    pub recorder: Arc<Mutex<Recorder>>,
}

struct UnderWay {
    due_at: Instant,
    is_acked: bool,
    is_received: bool,
}

/// The changing part of a pair.
struct Loop {
    pair: Pair,
    ledger: Ledger,
    under_way: HashMap<u32, UnderWay>,
    paused_until: Instant,
}

/// Which socket broke.
enum Broken {
    Sender(anyhow::Error),
    Receiver(anyhow::Error),
}

impl Recorder {
    /// Nothing yet.
    pub fn new() -> anyhow::Result<Self> {
        // 1 microsecond to 2 minutes with three digits.
        let histogram = Histogram::new_with_bounds(1, 120_000_000, 3)?;
        Ok(Self {
            ack: histogram.clone(),
            receive: histogram,
            received_count: 0,
            received_by_span: Vec::new(),
            disconnect_count: 0,
            refusals: BTreeMap::new(),
        })
    }
}

impl Recorder {
    fn count_received(&mut self, since_begin: Duration) {
        self.received_count += 1;
        let span = usize::try_from(since_begin.as_millis() / SPAN.as_millis()).unwrap_or_default();
        if self.received_by_span.len() <= span {
            self.received_by_span.resize(span + 1, 0);
        }
        if let Some(count) = self.received_by_span.get_mut(span) {
            *count += 1;
        }
    }
}

impl Pair {
    /// Runs to the end of its plan, and gives what became of each message.
    pub async fn run(self) -> Ledger {
        let paused_until = Instant::now();
        let mut running = Loop { pair: self, ledger: Ledger::default(), under_way: HashMap::new(), paused_until };
        loop {
            match running.run().await {
                Ok(()) => break,
                Err(broken) => running.mend(broken).await,
            }
            if Instant::now() >= running.pair.plan.drain_until {
                break;
            }
        }
        running.pair.sender.1.close().await;
        running.pair.receiver.1.close().await;
        running.ledger
    }
}

impl Loop {
    async fn run(&mut self) -> Result<(), Broken> {
        loop {
            let now = Instant::now();
            let plan = self.pair.plan;
            if now < plan.send_until {
                self.send_due(now).await.map_err(Broken::Sender)?;
            } else if self.under_way.is_empty() || now >= plan.drain_until {
                return Ok(());
            }
            let wake_at = self.wake_at(now);
            tokio::select! {
                frame = self.pair.sender.1.next() => self.at_sender(frame.map_err(Broken::Sender)?),
                frame = self.pair.receiver.1.next() => self.at_receiver(frame.map_err(Broken::Receiver)?),
                () = sleep_until(wake_at) => self.give_up(),
            }
        }
    }

    /// Sends what the pace asks for.
    async fn send_due(&mut self, now: Instant) -> anyhow::Result<()> {
        let mut has_queued = false;
        while let Some(due_at) = self.next_due(now) {
            let number = self.ledger.send();
            self.under_way.insert(number, UnderWay { due_at, is_acked: false, is_received: false });
            self.queue(number).await?;
            has_queued = true;
        }
        if has_queued { self.pair.sender.1.flush().await } else { Ok(()) }
    }

    /// When the message that may be sent now was due; `None` when none may.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        match self.pair.plan.pace {
            _ if now < self.paused_until => None,
            Pace::Closed(outstanding) => (self.under_way.len() < outstanding).then_some(now),
            Pace::Open { .. } => {
                let due_at = self.due_at()?;
                (due_at <= now && self.under_way.len() < OPEN_LOOP_MAX).then_some(due_at)
            }
        }
    }

    /// When the next message of an open loop is due.
    fn due_at(&self) -> Option<Instant> {
        match self.pair.plan.pace {
            Pace::Closed(_) => None,
            Pace::Open { first_at, interval } => {
                Some(first_at + interval.checked_mul(self.ledger.count()).unwrap_or(Duration::MAX / 4))
            }
        }
    }

    fn wake_at(&self, now: Instant) -> Instant {
        let plan = self.pair.plan;
        let mut wake_at = now + TICK;
        if now < plan.send_until {
            wake_at = wake_at.min(plan.send_until);
            let due_at = self.due_at().filter(|_| self.under_way.len() < OPEN_LOOP_MAX);
            wake_at = due_at.map_or(wake_at, |due_at| wake_at.min(due_at.max(self.paused_until)));
        }
        if now < self.paused_until { wake_at.min(self.paused_until) } else { wake_at }
    }

    async fn queue(&mut self, number: u32) -> anyhow::Result<()> {
        let run = &self.pair.run;
        let mut text = format!("{number} ");
        text.extend(std::iter::repeat_n('x', self.pair.text_chars.saturating_sub(text.len())));
        let send = SendMessageFrame {
            chat_id: self.pair.chat_id.clone(),
            client_message_id: format!("{run}-{number}"),
            text,
            ..SendMessageFrame::default()
        };
        let frame = client_frame::Frame::SendMessage(send);
        self.pair.sender.1.queue(ClientFrame { id: number.to_string(), frame: Some(frame) }).await
    }

    fn at_sender(&mut self, frame: ServerFrame) {
        let Ok(number) = frame.id.parse::<u32>() else { return };
        match frame.frame {
            Some(server_frame::Frame::Ack(AckFrame { .. })) => {
                self.ledger.ack(number);
                self.settle(number, |under_way| &mut under_way.is_acked, |recorder| &mut recorder.ack);
            }
            Some(server_frame::Frame::Error(error)) => self.refused(number, &error),
            _ => {}
        }
    }

    fn refused(&mut self, number: u32, error: &ErrorFrame) {
        self.ledger.refuse(number);
        self.under_way.remove(&number);
        let pause = Duration::from_millis(error.retry_after_ms.into()).max(REFUSED_PAUSE);
        self.paused_until = Instant::now() + pause;
        *self.pair.recorder.lock().refusals.entry(error.reason.clone()).or_default() += 1;
    }

    fn at_receiver(&mut self, frame: ServerFrame) {
        let Some(server_frame::Frame::Update(update)) = frame.frame else { return };
        let Some(number) = message_number(&update, &self.pair.run) else { return };
        if self.ledger.receive(number, update.seq) {
            let now = Instant::now();
            if self.pair.plan.is_measured(now) {
                self.pair.recorder.lock().count_received(now - self.pair.plan.measure_from);
            }
            self.settle(number, |under_way| &mut under_way.is_received, |recorder| &mut recorder.receive);
        }
    }

    /// Half of what a message under way waits for has come.
    fn settle(
        &mut self,
        number: u32,
        half: impl Fn(&mut UnderWay) -> &mut bool,
        histogram: impl Fn(&mut Recorder) -> &mut Histogram<u64>,
    ) {
        let Some(under_way) = self.under_way.get_mut(&number) else { return };
        if std::mem::replace(half(under_way), true) {
            return;
        }
        if self.pair.plan.is_measured(under_way.due_at) {
            let micros = u64::try_from(under_way.due_at.elapsed().as_micros()).unwrap_or(u64::MAX);
            histogram(&mut self.pair.recorder.lock()).saturating_record(micros);
        }
        if under_way.is_acked && under_way.is_received {
            self.under_way.remove(&number);
        }
    }

    fn give_up(&mut self) {
        let now = Instant::now();
        self.under_way.retain(|_, under_way| now < under_way.due_at + GIVE_UP);
    }

    /// Connects again, and sends again what has no answer, under the same names.
    async fn mend(&mut self, broken: Broken) {
        self.pair.recorder.lock().disconnect_count += 1;
        let (is_sender, error) = match broken {
            Broken::Sender(error) => (true, error),
            Broken::Receiver(error) => (false, error),
        };
        tracing::debug!(error = format!("{error:#}"), is_sender, "a socket broke");
        while Instant::now() < self.pair.plan.drain_until {
            let (end, socket) = if is_sender { &mut self.pair.sender } else { &mut self.pair.receiver };
            if let Ok(opened) = end.open().await {
                *socket = opened;
                // Another break is for the next turn.
                let _ = self.send_again(is_sender).await;
                return;
            }
            sleep(RECONNECT_PAUSE).await;
        }
    }

    async fn send_again(&mut self, is_sender: bool) -> anyhow::Result<()> {
        if !is_sender {
            return Ok(());
        }
        let unanswered = self.under_way.iter().filter(|(_, under_way)| !under_way.is_acked);
        let mut unanswered: Vec<u32> = unanswered.map(|(number, _)| *number).collect();
        unanswered.sort_unstable();
        for number in unanswered {
            self.queue(number).await?;
        }
        self.pair.sender.1.flush().await
    }
}

impl Plan {
    fn is_measured(&self, at: Instant) -> bool {
        self.measure_from <= at && at < self.send_until
    }
}

/// The number of a message of this run.
pub fn message_number(update: &Update, run: &str) -> Option<u32> {
    let Some(update::Change::MessageCreated(created)) = &update.change else { return None };
    created.message.as_ref()?.client_message_id.strip_prefix(run)?.strip_prefix('-')?.parse().ok()
}
