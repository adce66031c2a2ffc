//! What is not kept anywhere: who types, who is there, and what calls say. Pure: what to send and what to tell, and when.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use godwit_contract::v1::update::Change;
use godwit_contract::v1::{
    CallSignal, CallSignalFrame, Presence, PresenceFrame, PresenceStatus, TypingAction, TypingEvent, TypingFrame,
    Update, WatchPresenceFrame, client_frame,
};
use godwit_kernel::{CallId, ChatId, DeviceId, UserId};

/// Typing in one chat is told once in this time; the others show it for six seconds.
const TYPING_EVERY: Duration = Duration::from_secs(4);
/// The server forgets after ten minutes whom a client watches.
const WATCH_EVERY: Duration = Duration::from_secs(4 * 60);
/// How long a presence is believed that nobody has confirmed: longer than whoever is watched goes unconfirmed.
const PRESENCE_TTL: Duration = Duration::from_secs(5 * 60);
/// The most people whom a connection has on screen.
pub(super) const WATCHED_MAX: usize = 100;
/// The most presences, and people who type, that are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// Signals that wait for the socket.
const SIGNALS_MAX: usize = 100;

/// What an application does with a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// Its user is in front of it.
    #[default]
    Active,
    /// It is in the background.
    Away,
}

#[derive(Default)]
pub(super) struct People {
    is_connected: bool,
    activity: Activity,
    told_activity: Activity,
    watched: BTreeSet<UserId>,
    /// The server knows of somebody.
    is_watching: bool,
    /// When whom is watched is told again; `None`: at once.
    watch_at: Option<Instant>,
    typing: VecDeque<(ChatId, TypingAction)>,
    /// When typing was told last, by chat; no longer in it when it was cancelled.
    typed_at: HashMap<ChatId, (Instant, bool)>,
    signals: VecDeque<CallSignalFrame>,
    presences: HashMap<UserId, (Presence, Instant)>,
    typists: HashMap<(String, String), Instant>,
}

impl People {
    /// A new socket knows nothing of what was said on the last one.
    pub(super) fn connected(&mut self) {
        self.is_connected = true;
        self.told_activity = Activity::Active;
        self.is_watching = false;
        self.watch_at = None;
    }

    /// What would be late by then is not said at all.
    pub(super) fn disconnected(&mut self) {
        self.is_connected = false;
        self.typing.clear();
        self.typed_at.clear();
        self.signals.clear();
    }

    pub(super) fn set_activity(&mut self, activity: Activity) {
        self.activity = activity;
    }

    pub(super) fn watch(&mut self, people: impl IntoIterator<Item = UserId>) -> bool {
        let watched: BTreeSet<UserId> = people.into_iter().collect();
        if watched.len() > WATCHED_MAX {
            return false;
        }
        if watched != self.watched {
            self.watched = watched;
            self.watch_at = None;
        }
        true
    }

    /// Says that the user types, unless that was said a moment ago; that they stopped, only if it was said.
    pub(super) fn type_in(&mut self, chat_id: ChatId, action: TypingAction, now: Instant) {
        if !self.is_connected {
            return;
        }
        let last = self.typed_at.get(&chat_id).copied();
        let is_due = match (action, last) {
            (TypingAction::Cancel, last) => last.is_some_and(|(_, is_over)| !is_over),
            (_, last) => last.is_none_or(|(at, _)| now.saturating_duration_since(at) >= TYPING_EVERY),
        };
        if !is_due {
            return;
        }
        self.typed_at.retain(|_, (at, _)| now.saturating_duration_since(*at) < TYPING_EVERY * 2);
        if self.typed_at.len() >= REMEMBERED_MAX || self.typing.len() >= SIGNALS_MAX {
            return;
        }
        let is_over = action == TypingAction::Cancel;
        let at = if is_over { last.map_or(now, |(at, _)| at) } else { now };
        self.typed_at.insert(chat_id, (at, is_over));
        self.typing.push_back((chat_id, action));
    }

    /// Whether there was room, and a socket.
    pub(super) fn signal(&mut self, call_id: CallId, to_device: Option<DeviceId>, signal: CallSignal) -> bool {
        if !self.is_connected || self.signals.len() >= SIGNALS_MAX {
            return false;
        }
        let to_device_id = to_device.map(|device| device.to_string()).unwrap_or_default();
        self.signals.push_back(CallSignalFrame { call_id: call_id.to_string(), to_device_id, signal: Some(signal) });
        true
    }

    /// What is to be said next.
    pub(super) fn next(&mut self, now: Instant) -> Option<client_frame::Frame> {
        if let Some(signal) = self.signals.pop_front() {
            return Some(client_frame::Frame::CallSignal(signal));
        }
        if let Some((chat_id, action)) = self.typing.pop_front() {
            let frame = TypingFrame { chat_id: chat_id.to_string(), action: action.into() };
            return Some(client_frame::Frame::Typing(frame));
        }
        if self.activity != self.told_activity {
            self.told_activity = self.activity;
            let status = match self.activity {
                Activity::Active => PresenceStatus::Online,
                Activity::Away => PresenceStatus::Away,
            };
            return Some(client_frame::Frame::Presence(PresenceFrame { status: status.into() }));
        }
        if self.watch_at.is_none_or(|at| at <= now) {
            self.watch_at = Some(now + WATCH_EVERY);
            let was_watching = std::mem::replace(&mut self.is_watching, !self.watched.is_empty());
            // An empty list is said only to take back another.
            if was_watching || self.is_watching {
                let user_ids = self.watched.iter().map(UserId::to_string).collect();
                return Some(client_frame::Frame::WatchPresence(WatchPresenceFrame { user_ids }));
            }
        }
        None
    }

    /// When there is something to say, or to tell, without anybody's doing.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let watch_at = self.watch_at.filter(|_| !self.watched.is_empty());
        watch_at.into_iter().chain(self.typists.values().copied()).min()
    }

    /// Takes a presence in; gives it back when it is news.
    pub(super) fn take_presence(&mut self, presence: Presence, now: Instant) -> Option<Presence> {
        let user_id = presence.user_id.parse().ok()?;
        let as_of = |presence: &Presence| presence.as_of.as_ref().map(|at| (at.seconds, at.nanos));
        let known = self.presences.get(&user_id);
        if known.is_some_and(|(known, _)| as_of(&presence) < as_of(known)) {
            return None;
        }
        let is_news = known.is_none_or(|(known, until)| {
            *until <= now || known.status != presence.status || known.last_seen_at != presence.last_seen_at
        });
        let is_known = known.is_some();
        if !is_known && self.presences.len() >= REMEMBERED_MAX {
            self.presences.retain(|_, (_, until)| *until > now);
        }
        if is_known || self.presences.len() < REMEMBERED_MAX {
            self.presences.insert(user_id, (presence.clone(), now + PRESENCE_TTL));
        }
        is_news.then_some(presence)
    }

    /// What is known of a person, unless it was too long ago.
    pub(super) fn presence(&self, user_id: UserId, now: Instant) -> Option<Presence> {
        self.presences.get(&user_id).filter(|(_, until)| *until > now).map(|(presence, _)| presence.clone())
    }

    /// Takes in that somebody types, so that it ends by itself; gives it back unless it was over anyway.
    pub(super) fn take_typing(&mut self, event: TypingEvent, now: Instant) -> Option<TypingEvent> {
        let typist = (event.chat_id.clone(), event.user_id.clone());
        if event.action() == TypingAction::Cancel {
            return self.typists.remove(&typist).map(|_| event);
        }
        if self.typists.len() < REMEMBERED_MAX || self.typists.contains_key(&typist) {
            self.typists.insert(typist, now + Duration::from_millis(event.expires_in_ms.into()));
            return Some(event);
        }
        None
    }

    /// A message is what somebody typed.
    pub(super) fn note_update(&mut self, update: &Update) -> Option<TypingEvent> {
        let Some(Change::MessageCreated(created)) = &update.change else { return None };
        let sender_id = created.message.as_ref()?.sender_id.clone();
        let typist = (update.chat_id.clone(), sender_id);
        self.typists.remove(&typist)?;
        Some(over(typist))
    }

    /// Whose typing has ended by itself.
    pub(super) fn take_ended(&mut self, now: Instant) -> Vec<TypingEvent> {
        let ended = self.typists.iter().filter(|(_, until)| **until <= now).map(|(typist, _)| typist.clone());
        let ended: Vec<(String, String)> = ended.collect();
        for typist in &ended {
            self.typists.remove(typist);
        }
        ended.into_iter().map(over).collect()
    }
}

fn over((chat_id, user_id): (String, String)) -> TypingEvent {
    TypingEvent { chat_id, user_id, action: TypingAction::Cancel.into(), expires_in_ms: 0 }
}

#[cfg(test)]
mod tests {
    use godwit_contract::v1::{Message, MessageCreated};
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn user() -> UserId {
        UserId::generate(&SystemClock, &SystemEntropy)
    }

    fn connected() -> (People, Instant) {
        let mut people = People::default();
        people.connected();
        (people, Instant::now())
    }

    fn said(people: &mut People, now: Instant) -> Vec<client_frame::Frame> {
        std::iter::from_fn(|| people.next(now)).collect()
    }

    #[test]
    fn typing_is_said_seldom_and_its_end_once() {
        let (mut people, now) = connected();
        let chat = ChatId::generate(&SystemClock, &SystemEntropy);
        let mut say = |action, after| {
            people.type_in(chat, action, now + secs(after));
            said(&mut people, now + secs(after)).len()
        };
        let counts = [
            say(TypingAction::Cancel, 0),
            say(TypingAction::Typing, 0),
            say(TypingAction::Typing, 3),
            say(TypingAction::Typing, 4),
            say(TypingAction::Cancel, 5),
            say(TypingAction::Cancel, 5),
            say(TypingAction::Typing, 6),
            say(TypingAction::Typing, 8),
        ];
        assert_eq!(counts, [0, 1, 0, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn a_new_socket_is_told_what_still_holds_and_nothing_late() {
        let (mut people, now) = connected();
        assert_eq!(said(&mut people, now), []);
        assert!(people.watch([user(), user()]));
        assert!(!people.watch((0..=WATCHED_MAX).map(|_| user())));
        people.set_activity(Activity::Away);
        assert_eq!(said(&mut people, now).len(), 2);
        assert_eq!(said(&mut people, now), []);
        assert_eq!(said(&mut people, now + WATCH_EVERY).len(), 1);
        let on_screen = people.watched.clone();
        for (watched, frame_count) in [(BTreeSet::new(), 1), (BTreeSet::new(), 0), (on_screen, 1)] {
            assert!(people.watch(watched));
            assert_eq!(said(&mut people, now).len(), frame_count);
        }
        let call = CallId::generate(&SystemClock, &SystemEntropy);
        assert!(people.signal(call, None, CallSignal::default()));
        people.disconnected();
        assert!(!people.signal(call, None, CallSignal::default()));
        people.connected();
        let frames = said(&mut people, now);
        assert!(matches!(frames.as_slice(), [client_frame::Frame::Presence(_), client_frame::Frame::WatchPresence(_)]));
    }

    #[test]
    fn of_two_presences_the_later_holds_and_none_for_ever() {
        let (mut people, now) = connected();
        let ada = user();
        let presence = |seconds, status: PresenceStatus| Presence {
            user_id: ada.to_string(),
            status: status.into(),
            as_of: Some(pbjson_types::Timestamp { seconds, nanos: 0 }),
            ..Presence::default()
        };
        assert!(people.take_presence(presence(2, PresenceStatus::Online), now).is_some());
        assert!(people.take_presence(presence(1, PresenceStatus::Offline), now).is_none());
        assert!(people.take_presence(presence(3, PresenceStatus::Online), now).is_none(), "no news");
        assert_eq!(people.presence(ada, now).map(|seen| seen.status()), Some(PresenceStatus::Online));
        assert_eq!(people.presence(ada, now + PRESENCE_TTL), None);
        assert!(people.take_presence(presence(4, PresenceStatus::Away), now).is_some());
    }

    #[test]
    fn typing_ends_by_itself_by_a_message_or_when_it_is_said() {
        let (mut people, now) = connected();
        let typing = |action: TypingAction| TypingEvent {
            chat_id: "c".to_owned(),
            user_id: "u".to_owned(),
            action: action.into(),
            expires_in_ms: 6_000,
        };
        let message = Message { sender_id: "u".to_owned(), ..Message::default() };
        let change = Some(Change::MessageCreated(MessageCreated { message: Some(message) }));
        let update = Update { chat_id: "c".to_owned(), change, ..Update::default() };
        assert!(people.take_typing(typing(TypingAction::Typing), now).is_some());
        assert_eq!(people.due_at(), Some(now + secs(6)));
        assert_eq!(people.take_ended(now + secs(5)), []);
        assert_eq!(people.take_ended(now + secs(6)).len(), 1);
        assert!(people.note_update(&update).is_none() && people.take_ended(now + secs(6)).is_empty());
        assert!(people.take_typing(typing(TypingAction::Typing), now).is_some());
        assert_eq!(people.note_update(&update).map(|event| event.action()), Some(TypingAction::Cancel));
        assert!(people.take_typing(typing(TypingAction::Cancel), now).is_none(), "it was over");
    }
}
