use std::collections::VecDeque;
use std::sync::Arc;

use godwit_contract::message::v1::UnloggedState;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Call, CallSignalEvent, Chat, ChatJoined, ChatLeft, Draft, Presence, TypingEvent, Update};
use godwit_kernel::ChatId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::error::Problem;
use crate::log::Position;
use crate::pending::{PendingQueue, PendingSend};
use crate::snapshot::Snapshot;

/// What an application learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The next update of its chat: every one exactly once and in order.
    Update(Box<Update>),
    /// A chat as it is now: when a connection without a snapshot begins, and when its log cannot be continued. The
    /// updates up to `seq` are not told; those after it are.
    ChatLoaded(Box<Chat>),
    /// The chat is no longer there for this user.
    ChatGone(ChatId),
    /// What no log holds, as it is now: all drafts of the user, and their calls that ring or run. Told after every connect.
    State(Box<UnloggedState>),
    /// Somebody is online, away or offline now, or may not be seen any more. Not told again when it was missed, but for
    /// whom `Connection::watch_presence` names.
    Presence(Presence),
    /// The user changed a draft on another device; it is gone when it has no text. When it was missed, [`Self::State`] tells.
    Draft(Draft),
    /// Somebody does something in a chat, or no longer (`TYPING_ACTION_CANCEL`): it is told when they stop, when their
    /// message is there, and when nothing more is heard. Not told again when it was missed.
    Typing(TypingEvent),
    /// From the other party of a call. Not told again when it was missed.
    CallSignal(Box<CallSignalEvent>),
    /// A call changed. When it was missed, [`Self::State`] tells what still rings or runs.
    Call(Call),
    /// A queued message was refused for good.
    SendRefused {
        /// The message.
        send: PendingSend,
        /// Why.
        problem: Problem,
    },
}

/// What travels to the application.
#[derive(Debug)]
pub(super) enum Item {
    Event(Box<Event>),
    /// Everything up to this account cursor has been told.
    Cursor(String),
}

/// The application's end of a connection: its events, in order.
pub struct Events {
    items: mpsc::Receiver<Item>,
    /// As of the last event that was handed out.
    told: Snapshot,
    pending: Arc<Mutex<PendingQueue>>,
}

impl Events {
    pub(super) const fn new(items: mpsc::Receiver<Item>, told: Snapshot, pending: Arc<Mutex<PendingQueue>>) -> Self {
        Self { items, told, pending }
    }

    /// The next event; `None` when the connection has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.items.recv().await? {
                Item::Event(event) => {
                    self.note(&event);
                    return Some(*event);
                }
                Item::Cursor(cursor) => self.told.cursor = cursor,
            }
        }
    }

    /// Where the application stands after the events that [`Self::next`] has given it, and what is still to be sent.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { pending: self.pending.lock().snapshot(), ..self.told.clone() }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Update(update) => {
                let position = Position { seq: update.seq, epoch: update.epoch.clone() };
                self.told.chats.insert(update.chat_id.clone(), position);
                if let Some(Change::ChatJoined(ChatJoined { chat_id }) | Change::ChatLeft(ChatLeft { chat_id, .. })) =
                    &update.change
                {
                    self.told.to_load.insert(chat_id.clone());
                }
            }
            Event::ChatLoaded(chat) => {
                self.told.to_load.remove(&chat.id);
                self.told.chats.insert(chat.id.clone(), Position { seq: chat.seq, epoch: chat.epoch.clone() });
            }
            Event::ChatGone(chat_id) => {
                self.told.chats.remove(&chat_id.to_string());
                self.told.to_load.remove(&chat_id.to_string());
            }
            Event::State(_)
            | Event::Presence(_)
            | Event::Draft(_)
            | Event::Typing(_)
            | Event::CallSignal(_)
            | Event::Call(_)
            | Event::SendRefused { .. } => {}
        }
    }
}

/// The connection's end: a bounded queue that never makes the socket wait. What does not fit in the channel waits
/// here, and while anything does, [`Self::has_room`] is false and nothing more that can be had again is taken in.
#[derive(Debug)]
pub(super) struct Outlet {
    items: mpsc::Sender<Item>,
    overflow: VecDeque<Item>,
}

impl Outlet {
    pub(super) const fn new(items: mpsc::Sender<Item>) -> Self {
        Self { items, overflow: VecDeque::new() }
    }

    /// Whether live deliveries and sync pages may be taken in.
    pub(super) fn has_room(&self) -> bool {
        self.overflow.is_empty()
    }

    /// Tells the application. Callers look at [`Self::has_room`] first, so the overflow holds one page at most.
    pub(super) fn tell(&mut self, event: Event) {
        self.push(Item::Event(Box::new(event)));
    }

    /// Tells it unless it is behind: for what is worthless when it is late.
    pub(super) fn tell_if_room(&mut self, event: Event) {
        if self.has_room() {
            self.tell(event);
        }
    }

    pub(super) fn push(&mut self, item: Item) {
        if !self.overflow.is_empty() {
            self.overflow.push_back(item);
            return;
        }
        match self.items.try_send(item) {
            // Closed: the application does not listen and never will.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(item)) => self.overflow.push_back(item),
        }
    }

    /// Waits until one item of the overflow has gone out; for ever when there is none. Cancel-safe.
    pub(super) async fn drain_one(&mut self) {
        if self.overflow.is_empty() {
            return std::future::pending().await;
        }
        match self.items.reserve().await {
            Ok(permit) => {
                if let Some(item) = self.overflow.pop_front() {
                    permit.send(item);
                }
            }
            Err(_) => self.overflow.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(seq: u64) -> Event {
        Event::Update(Box::new(Update { chat_id: "c".to_owned(), seq, epoch: "e".to_owned(), ..Update::default() }))
    }

    fn events(capacity: usize) -> (Outlet, Events) {
        let (sender, receiver) = mpsc::channel(capacity);
        let pending = Arc::new(Mutex::new(PendingQueue::new(1, 1)));
        (Outlet::new(sender), Events::new(receiver, Snapshot::default(), pending))
    }

    #[tokio::test]
    async fn the_snapshot_tells_what_was_handed_out_and_no_more() {
        let (mut outlet, mut events) = events(10);
        outlet.tell(update(1));
        outlet.tell(update(2));
        outlet.push(Item::Cursor("after".to_owned()));
        assert_eq!(events.next().await, Some(update(1)));
        assert_eq!(events.snapshot().chats.get("c").map(|position| position.seq), Some(1));
        assert_eq!(events.snapshot().cursor, "");
        assert_eq!(events.next().await, Some(update(2)));
        drop(outlet);
        assert_eq!(events.next().await, None);
        assert_eq!(events.snapshot().cursor, "after");
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_in_order() {
        let (mut outlet, mut events) = events(1);
        for seq in 1..=3 {
            outlet.tell(update(seq));
        }
        assert!(!outlet.has_room());
        outlet.tell_if_room(update(99));
        for seq in 1..=3 {
            let draining = async {
                if !outlet.has_room() {
                    outlet.drain_one().await;
                }
            };
            let (event, ()) = tokio::join!(events.next(), draining);
            assert_eq!(event, Some(update(seq)));
        }
        assert!(outlet.has_room());
    }

    #[tokio::test]
    async fn nothing_is_kept_for_an_application_that_does_not_listen() {
        let (mut outlet, events) = events(1);
        drop(events);
        for seq in 1..100 {
            outlet.tell(update(seq));
        }
        assert!(outlet.has_room());
    }
}
