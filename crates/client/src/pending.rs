//! The queue of sends that the server has not acknowledged. Pure: time is passed in.
//!
//! A send stays until the server acknowledges it or refuses it for good, and is sent again, with the same
//! `client_message_id`, after every lost connection and every temporary refusal. The server answers a resend with the
//! first result, so nothing is sent twice. Sends of one chat go out in the order they were queued.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use godwit_contract::v1::{ClientFrame, Message, SendMessageFrame, client_frame};
use godwit_kernel::ChatId;
use tokio::sync::oneshot;

use crate::error::{Error, Problem};

/// A send without an answer for so long is sent again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The first pause after a temporary refusal that names none; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A message that the server has not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PendingSend {
    /// Where to.
    pub chat_id: String,
    /// Names the message over all its resends.
    pub client_message_id: String,
    /// What.
    pub text: String,
}

/// Where the outcome of one send goes.
pub(crate) type Waiter = oneshot::Sender<Result<Message, Error>>;

/// The queue.
#[derive(Debug)]
pub(crate) struct PendingQueue {
    entries: VecDeque<Entry>,
    capacity: usize,
    in_flight_per_chat: usize,
    next_frame: u64,
}

#[derive(Debug)]
struct Entry {
    send: PendingSend,
    waiter: Option<Waiter>,
    /// The frame that carried it last; 0 before the first.
    frame: u64,
    state: State,
    refusal_count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    InFlight { until: Instant },
    Resting { until: Instant },
}

/// What an answer did to the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It answered none of ours, or one that was answered before.
    Unknown,
    /// The message is committed.
    Sent,
    /// It is sent again later.
    Again,
    /// It is refused for good and no longer queued.
    Refused(PendingSend, Problem),
}

impl PendingQueue {
    pub(crate) fn new(capacity: usize, in_flight_per_chat: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, in_flight_per_chat: in_flight_per_chat.max(1), next_frame: 1 }
    }

    /// Queues one send.
    pub(crate) fn push(&mut self, send: PendingSend, waiter: Option<Waiter>) -> Result<(), Error> {
        if self.entries.len() >= self.capacity {
            return Err(Error::QueueFull);
        }
        self.entries.push_back(Entry { send, waiter, frame: 0, state: State::Queued, refusal_count: 0 });
        Ok(())
    }

    /// The next frame to send now, if any: the first of its chat that is not in flight, while its chat has room.
    pub(crate) fn next(&mut self, now: Instant) -> Option<ClientFrame> {
        let index = self.next_index(now)?;
        let frame = self.next_frame;
        let entry = self.entries.get_mut(index)?;
        self.next_frame += 1;
        entry.frame = frame;
        entry.state = State::InFlight { until: now + ANSWER_TIMEOUT };
        Some(ClientFrame {
            id: frame_id(frame),
            frame: Some(client_frame::Frame::SendMessage(SendMessageFrame {
                chat_id: entry.send.chat_id.clone(),
                client_message_id: entry.send.client_message_id.clone(),
                text: entry.send.text.clone(),
                ..SendMessageFrame::default()
            })),
        })
    }

    /// When [`Self::next`] may have one that it does not have now.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        let until = self.entries.iter().filter_map(|entry| match entry.state {
            State::Queued => None,
            State::InFlight { until } | State::Resting { until } => Some(until),
        });
        // One whose time has come and that stands behind a full window waits for an answer, not for the time.
        until.filter(|until| *until > now).min()
    }

    /// The server committed the message of this frame.
    pub(crate) fn acked(&mut self, id: &str, message: Option<Message>) -> Settled {
        let Some(entry) = self.remove(id) else { return Settled::Unknown };
        if let Some(waiter) = entry.waiter {
            // An error says that nobody waits any more.
            drop(waiter.send(message.ok_or(Error::Closed)));
        }
        Settled::Sent
    }

    /// The server refused this frame.
    pub(crate) fn refused(&mut self, id: &str, problem: Problem, now: Instant) -> Settled {
        if !problem.is_temporary() {
            let Some(entry) = self.remove(id) else { return Settled::Unknown };
            if let Some(waiter) = entry.waiter {
                drop(waiter.send(Err(Error::Refused(Box::new(problem.clone())))));
            }
            return Settled::Refused(entry.send, problem);
        }
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.is_answered_by(id)) else {
            return Settled::Unknown;
        };
        let growing = FIRST_PAUSE.saturating_mul(1 << entry.refusal_count.min(16)).min(LONGEST_PAUSE);
        entry.refusal_count = entry.refusal_count.saturating_add(1);
        entry.state = State::Resting { until: now + problem.retry_after.unwrap_or(growing).min(LONGEST_PAUSE) };
        Settled::Again
    }

    /// The connection is lost: whatever had no answer is sent again.
    pub(crate) fn disconnected(&mut self) {
        for entry in &mut self.entries {
            if matches!(entry.state, State::InFlight { .. }) {
                entry.state = State::Queued;
            }
        }
    }

    /// What is not acknowledged, in order.
    pub(crate) fn snapshot(&self) -> Vec<PendingSend> {
        self.entries.iter().map(|entry| entry.send.clone()).collect()
    }

    /// Nobody will send any more: whoever waits learns it, the sends themselves stay for a snapshot.
    pub(crate) fn close(&mut self) {
        for entry in &mut self.entries {
            if let Some(waiter) = entry.waiter.take() {
                drop(waiter.send(Err(Error::Closed)));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn next_index(&self, now: Instant) -> Option<usize> {
        // How many more of a chat may go out: none behind one that rests, or with a full window.
        let mut room: HashMap<&str, usize> = HashMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let room = room.entry(&entry.send.chat_id).or_insert(self.in_flight_per_chat);
            if *room == 0 {
                continue;
            }
            match entry.state {
                State::InFlight { until } if now < until => *room -= 1,
                State::Resting { until } if now < until => *room = 0,
                State::Queued | State::InFlight { .. } | State::Resting { .. } => return Some(index),
            }
        }
        None
    }

    fn remove(&mut self, id: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.is_answered_by(id))?;
        self.entries.remove(index)
    }
}

impl Entry {
    /// Whether an answer with this id answers the frame that carried it last.
    fn is_answered_by(&self, id: &str) -> bool {
        self.frame != 0 && frame_id(self.frame) == id
    }
}

fn frame_id(frame: u64) -> String {
    format!("s{frame}")
}

/// The chat and text as a send, if they are within the contract's limits.
pub(crate) fn checked(chat_id: ChatId, client_message_id: String, text: String) -> Result<PendingSend, Error> {
    use godwit_kernel::limits::{CLIENT_MESSAGE_ID_BYTES, MESSAGE_TEXT_CHARS};
    let id_bytes = client_message_id.as_bytes();
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
    if id_bytes.is_empty() || id_bytes.len() > CLIENT_MESSAGE_ID_BYTES || !id_bytes.iter().all(known) {
        return Err(Error::InvalidMessage("a client message id is 1 to 64 of A-Z a-z 0-9 _ -"));
    }
    if text.trim().is_empty() || text.chars().count() > MESSAGE_TEXT_CHARS {
        return Err(Error::InvalidMessage("a text has 1 to 4096 characters, not only white space"));
    }
    Ok(PendingSend { chat_id: chat_id.to_string(), client_message_id, text })
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};
    use proptest::prelude::*;

    use super::*;

    fn send(chat: u8, number: usize) -> PendingSend {
        PendingSend { chat_id: format!("chat{chat}"), client_message_id: format!("m{number}"), text: "x".to_owned() }
    }

    fn queue(sends: &[(u8, usize)], in_flight_per_chat: usize) -> PendingQueue {
        let mut queue = PendingQueue::new(100, in_flight_per_chat);
        for (chat, number) in sends {
            queue.push(send(*chat, *number), None).unwrap();
        }
        queue
    }

    /// The frame's id and the message it carries.
    fn sent(frame: Option<ClientFrame>) -> Option<(String, String)> {
        match frame? {
            ClientFrame { id, frame: Some(client_frame::Frame::SendMessage(send)) } => {
                Some((id, send.client_message_id))
            }
            other => panic!("{other:?}"),
        }
    }

    fn problem(status: u16) -> Problem {
        Problem { status, ..Problem::default() }
    }

    #[test]
    fn a_chat_sends_in_order_and_only_as_many_as_its_window() {
        let now = Instant::now();
        let mut queue = queue(&[(1, 1), (1, 2), (2, 3)], 1);
        let (first, message) = sent(queue.next(now)).unwrap();
        assert_eq!(message, "m1");
        assert_eq!(sent(queue.next(now)).unwrap().1, "m3");
        assert_eq!(queue.next(now), None);
        assert_eq!(queue.acked(&first, Some(Message::default())), Settled::Sent);
        assert_eq!(sent(queue.next(now)).unwrap().1, "m2");
    }

    #[test]
    fn what_had_no_answer_is_sent_again_under_the_same_name() {
        let now = Instant::now();
        let mut queue = queue(&[(1, 1), (1, 2)], 2);
        let (lost, _) = sent(queue.next(now)).unwrap();
        sent(queue.next(now)).unwrap();
        queue.disconnected();
        let (again, message) = sent(queue.next(now)).unwrap();
        assert_eq!(message, "m1");
        assert_eq!(queue.acked(&lost, None), Settled::Unknown);
        assert_eq!(queue.acked(&again, Some(Message::default())), Settled::Sent);
        assert_eq!(queue.len(), 1);
        // Without any answer at all: after the timeout.
        let later = now + ANSWER_TIMEOUT;
        assert_eq!(sent(queue.next(now)).unwrap().1, "m2");
        assert_eq!(queue.next(later - Duration::from_millis(1)), None);
        assert_eq!(queue.due_at(now), Some(later));
        assert_eq!(sent(queue.next(later)).unwrap().1, "m2");
    }

    #[test]
    fn a_temporary_refusal_holds_its_chat_back_and_a_final_one_lets_the_next_go() {
        let now = Instant::now();
        let mut queue = queue(&[(1, 1), (1, 2), (2, 3)], 1);
        let (first, _) = sent(queue.next(now)).unwrap();
        let busy = Problem { retry_after: Some(Duration::from_secs(2)), ..problem(429) };
        assert_eq!(queue.refused(&first, busy, now), Settled::Again);
        assert_eq!(sent(queue.next(now)).unwrap().1, "m3");
        assert_eq!(queue.next(now), None);
        let later = now + Duration::from_secs(2);
        let (again, message) = sent(queue.next(later)).unwrap();
        assert_eq!(message, "m1");
        assert_eq!(queue.refused(&again, problem(404), later), Settled::Refused(send(1, 1), problem(404)));
        assert_eq!(sent(queue.next(later)).unwrap().1, "m2");
    }

    #[tokio::test]
    async fn whoever_waits_learns_the_outcome() {
        let now = Instant::now();
        let mut queue = PendingQueue::new(3, 3);
        let mut outcomes = Vec::new();
        for number in 1..=3 {
            let (waiter, outcome) = oneshot::channel();
            queue.push(send(1, number), Some(waiter)).unwrap();
            outcomes.push(outcome);
        }
        assert!(matches!(queue.push(send(1, 4), None), Err(Error::QueueFull)));
        let frames: Vec<_> = (0..3).map(|_| sent(queue.next(now)).unwrap().0).collect();
        queue.acked(&frames[0], Some(Message { seq: 7, ..Message::default() }));
        queue.refused(&frames[1], problem(403), now);
        queue.close();
        assert_eq!(queue.snapshot(), [send(1, 3)]);
        let [sent, refused, closed] = <[_; 3]>::try_from(outcomes).unwrap();
        assert_eq!(sent.await.unwrap().unwrap().seq, 7);
        assert_eq!(refused.await.unwrap().unwrap_err().status(), Some(403));
        assert!(matches!(closed.await.unwrap(), Err(Error::Closed)));
    }

    #[test]
    fn messages_beyond_the_limits_are_not_queued() {
        let chat = ChatId::generate(&SystemClock, &SystemEntropy);
        assert!(checked(chat, "a-b_1".to_owned(), "x".repeat(4_096)).is_ok());
        for (id, text) in [("", "x"), ("a b", "x"), ("a", ""), ("a", " \n"), ("a", &"x".repeat(4_097))] {
            assert!(checked(chat, id.to_owned(), text.to_owned()).is_err(), "{id:?}");
        }
        assert!(checked(chat, "x".repeat(65), "x".to_owned()).is_err());
    }

    /// The server acknowledges, refuses for now, or the connection breaks; time passes.
    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Send,
        Ack(prop::sample::Index),
        Busy(prop::sample::Index),
        Break,
        Pass(u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u8..3).prop_map(Step::Push),
            4 => Just(Step::Send),
            3 => any::<prop::sample::Index>().prop_map(Step::Ack),
            1 => any::<prop::sample::Index>().prop_map(Step::Busy),
            1 => Just(Step::Break),
            1 => (0_u16..40_000).prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn every_send_is_acknowledged_once_and_with_a_window_of_one_in_order(
            steps in prop::collection::vec(step(), 0..150)
        ) {
            let mut queue = PendingQueue::new(1_000, 1);
            let mut now = Instant::now();
            let mut on_the_wire: Vec<(String, String)> = Vec::new();
            let mut queued = Vec::new();
            let mut acked = Vec::new();
            for step in steps {
                match step {
                    Step::Push(chat) => {
                        queue.push(send(chat, queued.len()), None).unwrap();
                        queued.push(send(chat, queued.len()));
                    }
                    Step::Send => on_the_wire.extend(sent(queue.next(now))),
                    Step::Ack(index) if !on_the_wire.is_empty() => {
                        let (id, message) = on_the_wire.remove(index.index(on_the_wire.len()));
                        if queue.acked(&id, Some(Message::default())) == Settled::Sent {
                            acked.push(message);
                        }
                    }
                    Step::Busy(index) if !on_the_wire.is_empty() => {
                        let (id, _) = on_the_wire.remove(index.index(on_the_wire.len()));
                        queue.refused(&id, problem(503), now);
                    }
                    Step::Ack(_) | Step::Busy(_) => {}
                    Step::Break => {
                        queue.disconnected();
                        on_the_wire.clear();
                    }
                    Step::Pass(ms) => now += Duration::from_millis(ms.into()),
                }
            }
            while queue.len() > 0 {
                now += ANSWER_TIMEOUT;
                let (id, message) = sent(queue.next(now)).unwrap();
                prop_assert_eq!(queue.acked(&id, Some(Message::default())), Settled::Sent);
                acked.push(message);
            }
            for chat in 0..3 {
                let of_chat = |message: &String| queued.contains(&PendingSend {
                    client_message_id: message.clone(), ..send(chat, 0)
                });
                let expected: Vec<_> = queued.iter().map(|send| &send.client_message_id).filter(|m| of_chat(m)).collect();
                let got: Vec<_> = acked.iter().filter(|m| of_chat(m)).collect();
                prop_assert_eq!(got, expected);
            }
        }
    }
}
