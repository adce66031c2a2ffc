use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_kernel::{ChatId, SessionId, UserId};
use godwit_live::Channel;

use super::frames::LiveFrame;
use super::outbox::Close;
use super::socket::{Scope, Socket};

/// For so long after somebody left a chat, word that they joined it may be older than the leave.
const LEFT_LATELY: Duration = Duration::from_secs(30);

/// Which local sockets get what. Channels are followed by reference: a user's while they have a socket here, a chat's
/// while one of its members has.
#[derive(Default)]
pub struct Feeds {
    socket_count: usize,
    users: HashMap<UserId, User>,
    chats: HashMap<ChatId, Followers>,
    sessions: HashMap<SessionId, Vec<Arc<Socket>>>,
    changes: Changes,
    incarnations: u64,
    /// Counts the times at which leaves of chats may have been missed. What was found out before the latest of them is not
    /// trusted: nothing of a chat is shown for it.
    epoch: u64,
    /// Who left which chat lately.
    left: HashMap<(UserId, ChatId), Instant>,
}

/// What changed since somebody last asked.
#[derive(Default)]
struct Changes {
    /// Channels that may be followed now and were not, or the other way.
    channels: HashSet<Channel>,
    /// Users who joined a chat whose updates were not followed: some may have been missed.
    joined: HashSet<UserId>,
    /// Users who are shown their chats again, after a time in which they were not.
    recovered: HashSet<UserId>,
    /// Counts changes of `channels`.
    generation: u64,
}

struct User {
    /// Tells this stay of the user from an earlier one.
    incarnation: u64,
    sockets: Vec<Arc<Socket>>,
    /// Followed for sockets that show all; empty until they are listed.
    chats: HashSet<ChatId>,
    is_listed: bool,
    /// The epoch in which listing the chats was begun.
    listed_in: u64,
    /// The chats of sockets that show one, with the epoch in which asking whether the user is a member was begun; `None`
    /// before the first answer.
    narrow: HashMap<ChatId, Option<u64>>,
    /// What was joined (true) and left (false) while the chats are being listed, which the list may not know.
    meanwhile: Option<HashMap<ChatId, bool>>,
    /// Held by who lists the chats.
    gate: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Followers {
    users: HashSet<UserId>,
    sockets: Vec<Arc<Socket>>,
}

impl Followers {
    fn is_empty(&self) -> bool {
        self.users.is_empty() && self.sockets.is_empty()
    }
}

/// A listing of a user's chats that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    user: UserId,
    incarnation: u64,
    epoch: u64,
}

/// A look at whether a user is a member of a chat that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    user: UserId,
    chat: ChatId,
    epoch: u64,
}

/// Changes of what is followed.
pub struct ChannelChanges {
    /// To follow.
    pub added: Vec<Channel>,
    /// To follow no longer.
    pub removed: Vec<Channel>,
    /// Once this is done, all changes until this generation are.
    pub generation: u64,
    /// Who must sync when it is done, because they joined a chat.
    pub joined: Vec<UserId>,
    /// Who must sync when it is done, because nothing was shown to them for a time.
    pub recovered: Vec<UserId>,
}

impl Feeds {
    /// How many sockets there are.
    pub fn socket_count(&self) -> usize {
        self.socket_count
    }

    /// Takes a socket in, and follows its user. When they have more than `per_user` that are not closed now, gives the oldest of
    /// these: of the same device if there is another, so that one that connects without end ends no other's.
    pub fn add(&mut self, socket: &Arc<Socket>, per_user: usize) -> Option<Arc<Socket>> {
        let user_id = socket.caller.user_id;
        let user = match self.users.entry(user_id) {
            Entry::Occupied(user) => user.into_mut(),
            Entry::Vacant(place) => {
                self.incarnations += 1;
                self.changes.note(Channel::User(user_id));
                place.insert(User::new(self.incarnations, self.epoch))
            }
        };
        user.sockets.push(Arc::clone(socket));
        let open = || user.sockets.iter().filter(|socket| socket.outbox.closed().is_none());
        let is_same =
            |other: &&Arc<Socket>| other.caller.device_id == socket.caller.device_id && !Arc::ptr_eq(other, socket);
        let oldest =
            (open().count() > per_user).then(|| open().find(is_same).or_else(|| open().next())).flatten().cloned();
        self.sessions.entry(socket.caller.session_id).or_default().push(Arc::clone(socket));
        self.socket_count += 1;
        oldest
    }

    /// Takes a socket out, and follows no longer what only it needed. A socket that is out already stays out.
    pub fn remove(&mut self, socket: &Arc<Socket>) {
        let user_id = socket.caller.user_id;
        let Some(user) = self.users.get_mut(&user_id) else { return };
        let Some(place) = user.sockets.iter().position(|known| Arc::ptr_eq(known, socket)) else { return };
        user.sockets.remove(place);
        self.socket_count -= 1;
        if let Entry::Occupied(mut sockets) = self.sessions.entry(socket.caller.session_id) {
            sockets.get_mut().retain(|known| !Arc::ptr_eq(known, socket));
            if sockets.get().is_empty() {
                sockets.remove();
            }
        }
        if let Scope::Chat(chat) = socket.scope {
            if !user.sockets.iter().any(|other| other.scope == socket.scope) {
                user.narrow.remove(&chat);
            }
            self.unfollow(chat, |followers| followers.sockets.retain(|known| !Arc::ptr_eq(known, socket)));
        }
        let Some(user) = self.users.get_mut(&user_id) else { return };
        // Without a socket that shows all, the user's chats need not be followed.
        let is_gone = user.sockets.is_empty();
        if is_gone || user.sockets.iter().all(|socket| socket.scope != Scope::User) {
            user.is_listed = false;
            for chat in std::mem::take(&mut user.chats) {
                self.unfollow(chat, |followers| {
                    followers.users.remove(&user_id);
                });
            }
        }
        if is_gone {
            self.users.remove(&user_id);
            self.changes.note(Channel::User(user_id));
        }
    }

    /// Follows the chat of a socket that shows one. It is shown only after [`Self::finish_check`].
    pub fn follow_for(&mut self, socket: &Arc<Socket>, chat: ChatId) {
        let Some(user) = self.users.get_mut(&socket.caller.user_id).filter(|user| user.has(socket)) else { return };
        user.narrow.entry(chat).or_default();
        self.follow(chat, |followers| followers.sockets.push(Arc::clone(socket)));
    }

    /// Begins to ask whether the user is a member of the chat that some of their sockets show.
    pub fn begin_check(&self, user: UserId, chat: ChatId) -> Check {
        Check { user, chat, epoch: self.epoch }
    }

    /// The user is a member of the chat. Gives the sockets to which it was not shown for a time, and is again.
    pub fn finish_check(&mut self, check: Check) -> Vec<Arc<Socket>> {
        let Some(user) = self.users.get_mut(&check.user) else { return Vec::new() };
        // Who left meanwhile has no entry any more.
        let Some(checked_in) = user.narrow.get_mut(&check.chat) else { return Vec::new() };
        let before = checked_in.replace(check.epoch.max(checked_in.unwrap_or_default()));
        if before.is_none_or(|before| before >= check.epoch) {
            return Vec::new();
        }
        let shows_chat = |socket: &&Arc<Socket>| socket.scope == Scope::Chat(check.chat);
        user.sockets.iter().filter(shows_chat).cloned().collect()
    }

    /// The chats of the user's sockets that show one, and are not shown now.
    pub fn unchecked_chats(&self, user: UserId) -> Vec<ChatId> {
        let Some(user) = self.users.get(&user) else { return Vec::new() };
        let unchecked = user.narrow.iter().filter(|(_, checked_in)| **checked_in != Some(self.epoch));
        unchecked.map(|(chat, _)| *chat).collect()
    }

    /// What keeps listings of one user apart; `None` when they have no socket.
    pub fn gate(&self, user: UserId) -> Option<Arc<tokio::sync::Mutex<()>>> {
        self.users.get(&user).map(|user| Arc::clone(&user.gate))
    }

    /// Begins to list a user's chats; `None` when that is not needed: they are listed already, or no socket shows
    /// them.
    pub fn begin_listing(&mut self, user_id: UserId, relist: Relist) -> Option<Listing> {
        let user = self.users.get_mut(&user_id)?;
        let shows_all = user.sockets.iter().any(|socket| socket.scope == Scope::User);
        if !shows_all || (user.is_listed && relist == Relist::IfUnknown) {
            return None;
        }
        user.meanwhile = Some(HashMap::new());
        Some(Listing { user: user_id, incarnation: user.incarnation, epoch: self.epoch })
    }

    /// Follows the chats that were listed, with what was joined and left meanwhile, and no others.
    pub fn finish_listing(&mut self, listing: Listing, listed: Vec<ChatId>) {
        let Some(user) = self.users.get_mut(&listing.user).filter(|u| u.incarnation == listing.incarnation) else {
            return;
        };
        let Some(meanwhile) = user.meanwhile.take() else { return };
        let mut chats: HashSet<ChatId> = listed.into_iter().collect();
        for (chat, is_joined) in meanwhile {
            if is_joined {
                chats.insert(chat);
            } else {
                chats.remove(&chat);
            }
        }
        let was_listed = std::mem::replace(&mut user.is_listed, true);
        let listed_before = std::mem::replace(&mut user.listed_in, listing.epoch);
        let before = std::mem::replace(&mut user.chats, chats.clone());
        if listed_before < listing.epoch {
            self.changes.recovered.insert(listing.user);
        } else if was_listed && !chats.is_subset(&before) {
            self.changes.joined.insert(listing.user);
        }
        for chat in chats.difference(&before) {
            self.follow(*chat, |followers| {
                followers.users.insert(listing.user);
            });
        }
        for chat in before.difference(&chats) {
            self.unfollow(*chat, |followers| {
                followers.users.remove(&listing.user);
            });
        }
    }

    /// A listing that failed: what comes meanwhile needs no more noting.
    pub fn abandon_listing(&mut self, listing: Listing) {
        if let Some(user) = self.users.get_mut(&listing.user).filter(|u| u.incarnation == listing.incarnation) {
            user.meanwhile = None;
        }
    }

    /// Leaves of chats may have been missed: no user gets anything of a chat until it is found out again, from now on, that
    /// they are a member.
    pub fn suspect_all(&mut self) {
        self.epoch += 1;
    }

    /// Whether word that the user joined one of these chats may be older than word that they left it.
    pub fn has_left_lately(&self, user_id: UserId, chats: &[ChatId]) -> bool {
        let left_at = |chat: &ChatId| self.left.get(&(user_id, *chat));
        chats.iter().filter_map(left_at).any(|left_at| left_at.elapsed() < LEFT_LATELY)
    }

    /// Forgets leaves that are not late any more.
    pub fn forget_leaves(&mut self) {
        self.left.retain(|_, left_at| left_at.elapsed() < LEFT_LATELY);
    }

    /// The user is a member of these chats now.
    pub fn join(&mut self, user_id: UserId, chats: &[ChatId]) {
        let Some(user) = self.users.get_mut(&user_id) else { return };
        user.note_meanwhile(chats, true);
        if !user.is_listed {
            return;
        }
        let added: Vec<ChatId> = chats.iter().copied().filter(|chat| user.chats.insert(*chat)).collect();
        if !added.is_empty() {
            self.changes.joined.insert(user_id);
        }
        for chat in added {
            self.follow(chat, |followers| {
                followers.users.insert(user_id);
            });
        }
    }

    /// The user is a member of these chats no longer: they get nothing of them from here on. Whether they have a socket.
    pub fn leave(&mut self, user_id: UserId, chats: &[ChatId]) -> bool {
        let Some(user) = self.users.get_mut(&user_id) else { return false };
        user.note_meanwhile(chats, false);
        user.narrow.retain(|chat, _| !chats.contains(chat));
        for socket in &user.sockets {
            if matches!(socket.scope, Scope::Chat(chat) if chats.contains(&chat)) {
                socket.outbox.close(Close::Forbidden, None);
            }
        }
        let now = Instant::now();
        self.left.extend(chats.iter().map(|chat| ((user_id, *chat), now)));
        let removed: Vec<ChatId> = chats.iter().copied().filter(|chat| user.chats.remove(chat)).collect();
        for chat in chats {
            self.unfollow(*chat, |followers| {
                if removed.contains(chat) {
                    followers.users.remove(&user_id);
                }
                followers.sockets.retain(|socket| socket.caller.user_id != user_id);
            });
        }
        true
    }

    /// Gives an event to all who follow the chat, and tells how many sockets that were.
    pub fn deliver_to_chat(&self, chat: ChatId, frame: &LiveFrame) -> u64 {
        let Some(followers) = self.chats.get(&chat) else { return 0 };
        let users = followers.users.iter().filter_map(|user| self.users.get(user));
        let listed = users.filter(|user| user.listed_in == self.epoch).flat_map(User::showing_all);
        let narrow = followers.sockets.iter().filter(|socket| self.is_checked(socket.caller.user_id, chat));
        deliver(listed.chain(narrow), frame)
    }

    /// Gives an event that is worth nothing later to all who follow the chat but one, and tells how many sockets that were.
    pub fn deliver_to_others(&self, chat: ChatId, but: UserId, frame: &LiveFrame) -> u64 {
        let Some(followers) = self.chats.get(&chat) else { return 0 };
        let users = followers.users.iter().filter(|user| **user != but).filter_map(|user| self.users.get(user));
        let listed = users.filter(|user| user.listed_in == self.epoch).flat_map(User::showing_all);
        let others = followers.sockets.iter().filter(|socket| socket.caller.user_id != but);
        let others = others.filter(|socket| self.is_checked(socket.caller.user_id, chat));
        let mut count = 0;
        for socket in listed.chain(others) {
            socket.outbox.push_passing(frame);
            count += 1;
        }
        count
    }

    /// Gives an event to the user's sockets that show all, and tells how many that were.
    pub fn deliver_to_user(&self, user: UserId, frame: &LiveFrame) -> u64 {
        self.users.get(&user).map_or(0, |user| deliver(user.showing_all(), frame))
    }

    fn is_checked(&self, user_id: UserId, chat: ChatId) -> bool {
        self.users.get(&user_id).is_some_and(|user| user.narrow.get(&chat) == Some(&Some(self.epoch)))
    }

    /// Every socket.
    pub fn sockets(&self) -> impl Iterator<Item = &Arc<Socket>> {
        self.users.values().flat_map(|user| &user.sockets)
    }

    /// The sockets of a session.
    pub fn sockets_of_session(&self, session: SessionId) -> &[Arc<Socket>] {
        self.sessions.get(&session).map(Vec::as_slice).unwrap_or_default()
    }

    /// The sockets of a user.
    pub fn sockets_of_user(&self, user: UserId) -> &[Arc<Socket>] {
        self.users.get(&user).map(|user| user.sockets.as_slice()).unwrap_or_default()
    }

    /// Who is shown nothing of some chats until it is found out again that they are a member.
    pub fn suspects(&self) -> impl Iterator<Item = UserId> {
        let is_behind = |user: &User| {
            let shows_all = user.listed_in < self.epoch && user.showing_all().next().is_some();
            shows_all || user.narrow.values().any(|checked_in| checked_in.is_some_and(|epoch| epoch < self.epoch))
        };
        self.users.iter().filter(move |(_, user)| is_behind(user)).map(|(id, _)| *id)
    }

    /// How many channels are followed.
    pub fn channel_count(&self) -> usize {
        self.users.len() + self.chats.len()
    }

    /// The number of the latest change of what is followed.
    pub fn generation(&self) -> u64 {
        self.changes.generation
    }

    /// What to follow and what not, given what `current` is followed, which is brought up to date.
    pub fn take_channel_changes(&mut self, current: &mut HashSet<Channel>) -> ChannelChanges {
        let mut changes = ChannelChanges {
            added: Vec::new(),
            removed: Vec::new(),
            generation: self.changes.generation,
            joined: self.changes.joined.drain().collect(),
            recovered: self.changes.recovered.drain().collect(),
        };
        for channel in std::mem::take(&mut self.changes.channels) {
            let is_wanted = match channel {
                Channel::User(user) => self.users.contains_key(&user),
                Channel::Chat(chat) => self.chats.contains_key(&chat),
                Channel::Sessions => true,
            };
            if is_wanted && current.insert(channel) {
                changes.added.push(channel);
            } else if !is_wanted && current.remove(&channel) {
                changes.removed.push(channel);
            }
        }
        changes
    }

    fn follow(&mut self, chat: ChatId, add: impl FnOnce(&mut Followers)) {
        let followers = self.chats.entry(chat).or_insert_with(|| {
            self.changes.note(Channel::Chat(chat));
            Followers::default()
        });
        add(followers);
    }

    fn unfollow(&mut self, chat: ChatId, remove: impl FnOnce(&mut Followers)) {
        let Entry::Occupied(mut followers) = self.chats.entry(chat) else { return };
        remove(followers.get_mut());
        if followers.get().is_empty() {
            followers.remove();
            self.changes.note(Channel::Chat(chat));
        }
    }
}

/// Whether chats that are listed are listed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relist {
    /// Only when they are not listed yet.
    IfUnknown,
    /// In any case.
    Always,
}

impl Changes {
    fn note(&mut self, channel: Channel) {
        self.channels.insert(channel);
        self.generation += 1;
    }
}

impl User {
    fn new(incarnation: u64, epoch: u64) -> Self {
        Self {
            incarnation,
            sockets: Vec::with_capacity(1),
            chats: HashSet::new(),
            is_listed: false,
            listed_in: epoch,
            narrow: HashMap::new(),
            meanwhile: None,
            gate: Arc::default(),
        }
    }

    fn has(&self, socket: &Arc<Socket>) -> bool {
        self.sockets.iter().any(|known| Arc::ptr_eq(known, socket))
    }

    fn showing_all(&self) -> impl Iterator<Item = &Arc<Socket>> {
        self.sockets.iter().filter(|socket| socket.scope == Scope::User)
    }

    fn note_meanwhile(&mut self, chats: &[ChatId], is_joined: bool) {
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile.extend(chats.iter().map(|chat| (*chat, is_joined)));
        }
    }
}

fn deliver<'a>(sockets: impl Iterator<Item = &'a Arc<Socket>>, frame: &LiveFrame) -> u64 {
    let mut count = 0;
    for socket in sockets {
        socket.outbox.push_live(frame);
        count += 1;
    }
    count
}

#[cfg(test)]
#[path = "feeds_tests.rs"]
mod tests;
