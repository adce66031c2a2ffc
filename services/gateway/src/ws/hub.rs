use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::events::v1::{ChatInterest, LiveFrames, LivePayload, Typing as LiveTyping};
use godwit_kernel::{ChatId, Entropy, SessionId, UserId};
use godwit_live::{Channel, Delivery};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::{Notify, watch};

use super::feeds::{ChannelChanges, Feeds, Relist};
use super::frames::LiveFrame;
use super::outbox::Close;
use super::people::People;
use super::probes::Probes;
use super::socket::{Scope, Socket};
use super::typing::Typing;
use crate::clients::Services;
use crate::identity::Revocations;
use crate::{Config, Error};

/// How many clients a millisecond are told to sync, or to connect again, when many are: what the services behind can take
/// beside their other work.
const CLIENTS_PER_MS: u32 = 2;

/// All sockets of this node, and what comes for them.
pub struct Hub {
    feeds: Mutex<Feeds>,
    services: Services,
    revocations: Arc<Revocations>,
    per_user: usize,
    reconnect_spread_ms: u32,
    entropy: Arc<dyn Entropy>,
    is_draining: AtomicBool,
    /// What is followed has changed; for [`super::interest`].
    channels_changed: Notify,
    /// Until which generation changes of what is followed are done.
    settled: watch::Sender<u64>,
    /// There are users to look at again; for [`super::upkeep`].
    pub(super) interrupted: Notify,
    /// Users of whom word came that may be out of order.
    doubtful: Mutex<HashSet<UserId>>,
    /// Who is here and what they do; for [`super::requests`] and [`super::presence`].
    pub(super) people: People,
    /// Which devices in calls are asked after.
    pub(super) probes: Probes,
    /// Who may be shown typing.
    pub(super) typing: Typing,
}

/// Keeps a socket in the hub while it lives.
pub struct Registration {
    hub: Arc<Hub>,
    socket: Arc<Socket>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.remove(&self.socket);
    }
}

impl Hub {
    /// A hub without sockets.
    pub fn new(config: &Config, services: Services, revocations: Arc<Revocations>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            feeds: Mutex::default(),
            services,
            revocations,
            per_user: usize::try_from(config.sockets_per_user).unwrap_or(usize::MAX),
            reconnect_spread_ms: config.reconnect_spread_ms,
            entropy,
            is_draining: AtomicBool::new(false),
            channels_changed: Notify::new(),
            settled: watch::Sender::new(0),
            interrupted: Notify::new(),
            doubtful: Mutex::default(),
            people: People::default(),
            probes: Probes::default(),
            typing: Typing::default(),
        }
    }

    /// # Errors
    /// When sockets are taken no more, because the gateway goes away.
    pub fn check_open(&self) -> Result<(), Error> {
        if self.is_draining.load(Ordering::Acquire) { Err(Error::Draining) } else { Ok(()) }
    }

    /// Takes a socket in. From here on it can be closed, but it gets events only after [`Self::open`].
    pub fn register(self: &Arc<Self>, socket: &Arc<Socket>) -> Registration {
        let mut feeds = self.feeds.lock();
        let oldest = feeds.add(socket, self.per_user);
        // Whoever revokes looks for sockets after noting the session, so one of the two sees the other.
        let is_revoked = self.revocations.has(socket.caller.session_id);
        self.gauge(&feeds);
        drop(feeds);
        if let Some(oldest) = oldest {
            oldest.outbox.close(Close::Replaced, None);
        }
        if is_revoked {
            socket.outbox.close(Close::Unauthenticated, None);
        }
        // Whoever drains looks for sockets after saying so, so one of the two sees the other.
        if self.is_draining.load(Ordering::Acquire) {
            socket.outbox.ask_to_leave(self.entropy.below(self.reconnect_spread_ms));
        }
        self.channels_changed.notify_one();
        Registration { hub: Arc::clone(self), socket: Arc::clone(socket) }
    }

    fn remove(&self, socket: &Arc<Socket>) {
        let mut feeds = self.feeds.lock();
        feeds.remove(socket);
        self.gauge(&feeds);
        drop(feeds);
        self.channels_changed.notify_one();
    }

    fn gauge(&self, feeds: &Feeds) {
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        metrics::gauge!("gateway_sockets").set(count(feeds.socket_count()));
        metrics::gauge!("gateway_followed_channels").set(count(feeds.channel_count()));
    }

    /// Follows all that the socket shows. On return, what is published later arrives: the user's own channel is
    /// followed before the chats are listed, so that no change of them is missed.
    ///
    /// # Errors
    /// When its user is not a member of the chat that it shows, or the chats cannot be listed.
    pub async fn open(&self, socket: &Arc<Socket>) -> Result<(), Error> {
        let user = socket.caller.user_id;
        match socket.scope {
            Scope::User => {
                self.settle().await;
                self.list_chats(user, Relist::IfUnknown).await?;
                self.settle().await;
            }
            Scope::Chat(chat) => {
                self.feeds.lock().follow_for(socket, chat);
                self.channels_changed.notify_one();
                self.settle().await;
                if !self.check(user, chat).await? {
                    return Err(Error::ChatNotFound);
                }
            }
        }
        Ok(())
    }

    /// Looks again which chats a user's sockets may show, after changes of that may have been missed.
    ///
    /// # Errors
    /// When that cannot be told now.
    pub async fn recheck(&self, user: UserId) -> Result<(), Error> {
        self.list_chats(user, Relist::Always).await?;
        let narrow = self.feeds.lock().unchecked_chats(user);
        for chat in narrow {
            if !self.check(user, chat).await? {
                self.feeds.lock().leave(user, &[chat]);
                self.channels_changed.notify_one();
            }
        }
        Ok(())
    }

    /// Whether the user is a member of a chat that some of their sockets show, which get its events from then on.
    async fn check(&self, user: UserId, chat: ChatId) -> Result<bool, Error> {
        loop {
            let check = self.feeds.lock().begin_check(user, chat);
            if !self.services.is_member(chat, user).await? {
                return Ok(false);
            }
            let mut feeds = self.feeds.lock();
            let recovered = feeds.finish_check(check);
            // When word of changes was lost meanwhile, what was found out may be old.
            let is_checked = !feeds.unchecked_chats(user).contains(&chat);
            drop(feeds);
            for socket in recovered {
                socket.outbox.push_resync("interrupted", self.spread_of_all());
            }
            if is_checked {
                return Ok(true);
            }
        }
    }

    async fn list_chats(&self, user: UserId, relist: Relist) -> Result<(), Error> {
        let Some(gate) = self.feeds.lock().gate(user) else { return Ok(()) };
        let _held = gate.lock().await;
        let Some(listing) = self.feeds.lock().begin_listing(user, relist) else { return Ok(()) };
        match self.services.chat_ids(user).await {
            Ok(chats) => {
                self.feeds.lock().finish_listing(listing, chats);
                self.channels_changed.notify_one();
                Ok(())
            }
            Err(status) => {
                self.feeds.lock().abandon_listing(listing);
                Err(status.into())
            }
        }
    }

    /// Waits until all that should be followed now is.
    async fn settle(&self) {
        let generation = self.feeds.lock().generation();
        // Fails only when the hub is gone.
        let _ = self.settled.subscribe().wait_for(|settled| *settled >= generation).await;
    }

    /// Waits for changes of what is followed, and takes them.
    pub(super) async fn next_channel_changes(&self, current: &mut HashSet<Channel>) -> ChannelChanges {
        self.channels_changed.notified().await;
        self.feeds.lock().take_channel_changes(current)
    }

    /// These changes are done; users who joined a chat since, or were shown nothing for a time, must sync.
    pub(super) fn changes_done(&self, changes: &ChannelChanges) {
        self.settled.send_replace(changes.generation);
        let feeds = self.feeds.lock();
        let of_joined = spread_ms(changes.joined.len());
        let of_all = spread_ms(feeds.socket_count());
        for (users, spread_ms, cause) in
            [(&changes.joined, of_joined, "joined"), (&changes.recovered, of_all, "interrupted")]
        {
            let sockets = users.iter().flat_map(|user| feeds.sockets_of_user(*user));
            for socket in sockets.filter(|socket| socket.scope == Scope::User) {
                socket.outbox.push_resync(cause, self.entropy.below(spread_ms));
            }
        }
    }

    /// Events are kept from this user until it is found out what they may see: they can sync meanwhile.
    pub(super) fn tell_of_interruption(&self, user: UserId) {
        let after_ms = self.spread_of_all();
        for socket in self.feeds.lock().sockets_of_user(user) {
            socket.outbox.push_resync("interrupted", after_ms);
        }
    }

    /// A pause for one of all clients.
    fn spread_of_all(&self) -> u32 {
        let sockets = self.feeds.lock().socket_count();
        self.entropy.below(spread_ms(sockets))
    }

    /// Takes what came on the live channels.
    pub(super) fn dispatch(&self, delivery: Delivery) {
        match delivery {
            Delivery::Message { channel, payload } => {
                if let Err(error) = self.dispatch_message(channel, payload) {
                    tracing::error!(%error, "a live payload cannot be read");
                }
            }
            Delivery::Interrupted => self.look_again(),
        }
    }

    fn look_again(&self) {
        tracing::warn!("live events may have been lost: what every client may see is looked up again");
        self.feeds.lock().suspect_all();
        self.typing.note_interruption(Instant::now());
        self.interrupted.notify_one();
    }

    fn dispatch_message(&self, channel: Channel, bytes: Bytes) -> Result<(), prost::DecodeError> {
        match LivePayload::decode(bytes.clone())?.payload {
            // There may be more frames than the one that is read so.
            Some(Payload::ServerFrame(_)) => {
                for frame in LiveFrames::decode(bytes)?.server_frames {
                    self.dispatch_payload(channel, Payload::ServerFrame(frame));
                }
            }
            Some(payload) => self.dispatch_payload(channel, payload),
            None => {}
        }
        Ok(())
    }

    fn dispatch_payload(&self, channel: Channel, payload: Payload) {
        match (payload, channel) {
            (Payload::ServerFrame(frame), Channel::Chat(chat)) => {
                self.deliver("chat", frame, |feeds, frame| feeds.deliver_to_chat(chat, frame))
            }
            (Payload::ServerFrame(frame), Channel::User(user)) => {
                self.people.deliver_presence(user, &frame);
                self.deliver("user", frame, |feeds, frame| feeds.deliver_to_user(user, frame))
            }
            (Payload::ForDevice(only), Channel::User(user)) => match only.device_id.parse() {
                Ok(device) => {
                    let frame = only.server_frame;
                    self.deliver("device", frame, |_, frame| self.people.deliver_to_device(user, device, frame));
                }
                Err(_) => tracing::error!("a device has a malformed id"),
            },
            (Payload::DeviceProbe(probe), Channel::User(user)) => {
                if probe.device_id.parse().is_ok_and(|device| self.people.has_device(user, device)) {
                    self.probes.note(user, &probe);
                }
            }
            (Payload::Typing(typing), Channel::Chat(chat)) => self.show_typing(chat, typing),
            (Payload::PostingChanged(_), Channel::Chat(chat)) => self.typing.note_changed(chat, Instant::now()),
            (Payload::Joined(interest), Channel::User(user)) => self.join(user, &chat_ids(&interest)),
            (Payload::MembersLeft(left), Channel::Chat(chat)) => {
                if !left.server_frame.is_empty() {
                    self.deliver("chat", left.server_frame, |feeds, frame| feeds.deliver_to_chat(chat, frame));
                }
                self.typing.note_left(chat, left.user_ids.iter().filter_map(|id| id.parse().ok()), Instant::now());
                self.leave_chat(chat, &left.user_ids);
            }
            (Payload::Left(interest), Channel::User(user)) => {
                let chats = chat_ids(&interest);
                chats.iter().for_each(|chat| self.typing.note_left(*chat, [user], Instant::now()));
                self.leave(user, &chats);
            }
            (Payload::SessionRevoked(revoked), _) => match revoked.session_id.parse() {
                Ok(session) => self.revoke(session),
                Err(_) => tracing::error!("a revoked session has a malformed id"),
            },
            (Payload::MembershipLost(_), _) => self.look_again(),
            (_, channel) => tracing::error!(%channel, "a live payload is on the wrong channel"),
        }
    }

    /// Not to whoever types, and nothing of somebody who may have been removed or blocked meanwhile.
    fn show_typing(&self, chat: ChatId, typing: LiveTyping) {
        let Ok(user) = typing.user_id.parse() else {
            tracing::error!("somebody who types has a malformed id");
            return;
        };
        if self.typing.is_quiet(chat, user, Instant::now()) {
            metrics::counter!("gateway_typing_muted_total").increment(1);
            return;
        }
        self.deliver("chat", typing.server_frame, |feeds, frame| feeds.deliver_to_others(chat, user, frame));
    }

    /// Two channels keep no order between them: when the user left such a chat a moment ago, the chat service is asked.
    fn join(&self, user: UserId, chats: &[ChatId]) {
        let mut feeds = self.feeds.lock();
        if feeds.has_left_lately(user, chats) {
            self.doubt(user);
            self.interrupted.notify_one();
        } else {
            feeds.join(user, chats);
        }
        drop(feeds);
        self.channels_changed.notify_one();
    }

    fn leave_chat(&self, chat: ChatId, user_ids: &[String]) {
        for user in user_ids {
            match user.parse() {
                Ok(user) => self.leave(user, &[chat]),
                Err(_) => tracing::error!("somebody who left a chat has a malformed id"),
            }
        }
    }

    /// At once. Then the chat service is asked: word of a leave can come late, when the user is back.
    fn leave(&self, user: UserId, chats: &[ChatId]) {
        let is_here = self.feeds.lock().leave(user, chats);
        if is_here {
            self.doubt(user);
            self.interrupted.notify_one();
        }
        self.channels_changed.notify_one();
    }

    fn deliver(&self, kind: &'static str, frame: Bytes, to: impl FnOnce(&Feeds, &LiveFrame) -> u64) {
        let count = to(&self.feeds.lock(), &LiveFrame::new(frame));
        metrics::counter!("gateway_live_events_total", "channel" => kind).increment(1);
        metrics::counter!("gateway_live_deliveries_total", "channel" => kind).increment(count);
    }

    /// Ends a session here: its sockets are closed and its tokens refused.
    pub fn revoke(&self, session: SessionId) {
        self.revocations.add(session);
        for socket in self.feeds.lock().sockets_of_session(session) {
            socket.outbox.close(Close::Unauthenticated, None);
        }
    }

    /// Ends a session here, unless that was done before.
    pub(super) fn learn_of_end(&self, session: SessionId) {
        if !self.revocations.has(session) {
            self.revoke(session);
        }
    }

    /// Word of this user may have come out of order.
    pub(super) fn doubt(&self, user: UserId) {
        self.doubtful.lock().insert(user);
    }

    /// Who must be looked at again before they are shown anything of a chat, or were told of out of order.
    pub(super) fn unchecked_users(&self) -> Vec<UserId> {
        let mut users = std::mem::take(&mut *self.doubtful.lock());
        users.extend(self.feeds.lock().suspects());
        users.into_iter().collect()
    }

    /// Forgets ended sessions whose tokens are over, and leaves that are long past.
    pub(super) fn forget_past(&self) {
        self.revocations.purge();
        self.feeds.lock().forget_leaves();
    }

    /// Takes no more sockets from now on, and gives those that are here.
    pub(super) fn close_doors(&self) -> Vec<Arc<Socket>> {
        self.is_draining.store(true, Ordering::Release);
        self.feeds.lock().sockets().cloned().collect()
    }
}

/// Over how many milliseconds so many clients are spread that all do the same.
pub(super) fn spread_ms(clients: usize) -> u32 {
    u32::try_from(clients).unwrap_or(u32::MAX) / CLIENTS_PER_MS
}

fn chat_ids(interest: &ChatInterest) -> Vec<ChatId> {
    interest.chat_ids.iter().filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
