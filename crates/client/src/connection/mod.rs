//! A connection that stays: it connects, keeps itself authenticated, repairs gaps, sends what is queued and connects
//! again whenever it is lost, until it is dropped or cannot go on.

mod deferred;
mod events;
mod people;
mod runner;
mod socket;
mod sync;

pub use events::{Event, Events};
pub use people::Activity;

use std::sync::Arc;
use std::time::Duration;

use godwit_contract::v1::{CallSignal, Message, Presence, TypingAction};
use godwit_kernel::{CallId, ChatId, DeviceId, Entropy, UserId};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::people::{People, WATCHED_MAX};
use crate::client::Client;
use crate::error::Error;
use crate::options::ConnectOptions;
use crate::pending::{PendingQueue, checked};

/// After a failure the pause is at most so long; it doubles with each further one, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not connected; it tries, or waits before it tries again.
    Connecting,
    /// Connected, and not caught up yet with what was missed.
    Syncing,
    /// Connected, and everything that had happened before was told to the application.
    Live,
    /// It has ended and will not connect again.
    Ended(EndReason),
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// It was closed here.
    Closed,
    /// The session is over: log in again.
    LoggedOut,
    /// Another connection of this device took its place.
    Replaced,
    /// The server will not have it.
    Forbidden,
}

/// A connection. Clones are the same connection; it ends when the last is dropped.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    state: watch::Receiver<ConnectionState>,
    _end: Arc<DropGuard>,
}

/// What the application and the running connection share.
struct Shared {
    pending: Arc<Mutex<PendingQueue>>,
    people: Mutex<People>,
    queued: Notify,
    /// Told to all who wait when a send has been answered.
    settled: Notify,
    stop: CancellationToken,
    entropy: Arc<dyn Entropy>,
}

/// A message that was queued. Dropping it does not unqueue the message.
#[derive(Debug)]
pub struct Sending {
    /// Names the message over all its resends.
    pub client_message_id: String,
    outcome: oneshot::Receiver<Result<Message, Error>>,
}

impl Sending {
    /// Waits until the server has committed the message, or refused it for good.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Closed`] when the connection ended before: the message is then still in the
    /// snapshot.
    pub async fn outcome(self) -> Result<Message, Error> {
        self.outcome.await.unwrap_or(Err(Error::Closed))
    }
}

impl Connection {
    /// Queues a message. It is sent as soon as there is a connection, and again until the server has answered.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`], [`Error::QueueFull`]; [`Error::Closed`] when the connection has ended.
    pub fn send(&self, chat_id: ChatId, text: impl Into<String>) -> Result<Sending, Error> {
        let id: String = self.shared.entropy.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        self.send_as(chat_id, id, text)
    }

    /// As [`Self::send`], under a name that the application has given the message.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_as(
        &self,
        chat_id: ChatId,
        client_message_id: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<Sending, Error> {
        if matches!(self.state(), ConnectionState::Ended(_)) {
            return Err(Error::Closed);
        }
        let send = checked(chat_id, client_message_id.into(), text.into())?;
        let client_message_id = send.client_message_id.clone();
        let (waiter, outcome) = oneshot::channel();
        self.shared.pending.lock().push(send, Some(waiter))?;
        self.shared.queued.notify_one();
        Ok(Sending { client_message_id, outcome })
    }

    /// Shows the others of a chat what the user does there. Call it at every key stroke: it is said every few seconds at
    /// most, not while there is no connection, and ends by itself, with the next message or with
    /// [`TypingAction::Cancel`].
    pub fn type_in(&self, chat_id: ChatId, action: TypingAction) {
        self.shared.people.lock().type_in(chat_id, action, runner::now());
        self.shared.queued.notify_one();
    }

    /// Says what the user does with this connection: in front of it, or in the background.
    pub fn set_activity(&self, activity: Activity) {
        self.shared.people.lock().set_activity(activity);
        self.shared.queued.notify_one();
    }

    /// Whom the user has on screen: at most 100, in place of those before. Their presences come as events, now and at each
    /// change, also after the connection was lost and is back.
    ///
    /// # Errors
    /// [`Error::QueueFull`] when they are more.
    pub fn watch_presence(&self, people: impl IntoIterator<Item = UserId>) -> Result<(), Error> {
        if !self.shared.people.lock().watch(people) {
            tracing::debug!(limit = WATCHED_MAX, "too many people are on screen");
            return Err(Error::QueueFull);
        }
        self.shared.queued.notify_one();
        Ok(())
    }

    /// What is known of a person, if that was told in the last minutes.
    pub fn presence(&self, user_id: UserId) -> Option<Presence> {
        self.shared.people.lock().presence(user_id, runner::now())
    }

    /// Tells the other party of a call something, or only one device of theirs while it rings. It is not kept: without a
    /// connection it is lost.
    ///
    /// # Errors
    /// [`Error::QueueFull`] when there is no connection now, or too much waits for it.
    pub fn signal(&self, call_id: CallId, to_device: Option<DeviceId>, signal: CallSignal) -> Result<(), Error> {
        if !self.shared.people.lock().signal(call_id, to_device, signal) {
            return Err(Error::QueueFull);
        }
        self.shared.queued.notify_one();
        Ok(())
    }

    /// How many messages the server has not acknowledged.
    pub fn pending_count(&self) -> usize {
        self.shared.pending.lock().len()
    }

    /// Waits until nothing is pending: every message is committed or refused for good.
    ///
    /// # Errors
    /// Why the connection ended before.
    pub async fn flushed(&self) -> Result<(), EndReason> {
        loop {
            let settled = self.shared.settled.notified();
            if self.pending_count() == 0 {
                return Ok(());
            }
            if let ConnectionState::Ended(reason) = self.state() {
                return Err(reason);
            }
            settled.await;
        }
    }

    /// How the connection is now.
    pub fn state(&self) -> ConnectionState {
        *self.state.borrow()
    }

    /// How the connection is, as it changes.
    pub fn watch_state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits until the connection is [`ConnectionState::Live`].
    ///
    /// # Errors
    /// Why it ended before it was.
    pub async fn live(&self) -> Result<(), EndReason> {
        let mut state = self.state.clone();
        let reached = state.wait_for(|state| matches!(state, ConnectionState::Live | ConnectionState::Ended(_))).await;
        match reached.as_deref() {
            Ok(ConnectionState::Ended(reason)) => Err(*reason),
            Ok(_) => Ok(()),
            Err(_) => Err(EndReason::Closed),
        }
    }

    /// Ends the connection and waits until it has. What is queued stays in the snapshot.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        let mut state = self.state.clone();
        // An error says that it has ended, too.
        drop(state.wait_for(|state| matches!(state, ConnectionState::Ended(_))).await);
    }
}

/// Starts a connection.
pub(crate) fn open(client: Client, mut options: ConnectOptions) -> (Connection, Events) {
    let mut told = options.snapshot.take().unwrap_or_default();
    let mut queue = PendingQueue::new(options.pending_capacity, options.in_flight_per_chat);
    for send in std::mem::take(&mut told.pending) {
        if queue.push(send, None).is_err() {
            tracing::warn!("the snapshot holds more pending sends than the queue: the last are forgotten");
            break;
        }
    }
    let stop = CancellationToken::new();
    let shared = Arc::new(Shared {
        pending: Arc::new(Mutex::new(queue)),
        people: Mutex::default(),
        queued: Notify::new(),
        settled: Notify::new(),
        stop: stop.clone(),
        entropy: client.shared_entropy(),
    });
    let (items, receiver) = mpsc::channel(options.event_capacity.max(1));
    let (state, watching) = watch::channel(ConnectionState::Connecting);
    let events = Events::new(receiver, told.clone(), Arc::clone(&shared.pending));
    let runner = runner::Runner::new(client.clone(), options, &told, Arc::clone(&shared), (items, state));
    client.tasks().spawn(runner.run());
    (Connection { shared, state: watching, _end: Arc::new(stop.drop_guard()) }, events)
}
