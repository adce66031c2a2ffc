use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use godwit_contract::v1::ServerFrame;
use godwit_contract::v1::server_frame::Frame;
use godwit_kernel::{DeviceId, UserId};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::Notify;

use super::frames::LiveFrame;
use super::socket::{Scope, Socket};

/// What a connection says of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    /// In the background.
    Away,
    /// In front of it.
    Active,
}

/// Who is connected here, what they do with their connections, and whom they have on screen.
#[derive(Default)]
pub struct People {
    state: Mutex<State>,
    /// Somebody came, went, or does something else; for [`super::presence`].
    pub(super) stirred: Notify,
}

#[derive(Default)]
struct State {
    users: HashMap<UserId, Vec<Connection>>,
    /// Of whom something was not taken yet.
    changed: HashSet<UserId>,
}

struct Connection {
    socket: Arc<Socket>,
    activity: Activity,
    watched: Vec<UserId>,
}

impl Connection {
    /// Whether it brings a device all events of its user.
    fn is_of(&self, device: DeviceId) -> bool {
        self.socket.scope == Scope::User && self.socket.caller.device_id == device
    }
}

/// Keeps a connection among the people while it lives.
pub struct Seat<'a> {
    people: &'a People,
    socket: &'a Arc<Socket>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.people.leave(self.socket);
    }
}

impl People {
    /// Takes a connection in, in the foreground.
    pub fn enter<'a>(&'a self, socket: &'a Arc<Socket>) -> Seat<'a> {
        let connection = Connection { socket: Arc::clone(socket), activity: Activity::Active, watched: Vec::new() };
        self.change(socket.caller.user_id, |connections| connections.push(connection));
        Seat { people: self, socket }
    }

    fn leave(&self, socket: &Arc<Socket>) {
        self.change(socket.caller.user_id, |connections| {
            connections.retain(|connection| !Arc::ptr_eq(&connection.socket, socket));
        });
    }

    /// What the user does with this connection from now on.
    pub fn set_activity(&self, socket: &Arc<Socket>, activity: Activity) {
        self.change(socket.caller.user_id, |connections| {
            let own = connections.iter_mut().find(|connection| Arc::ptr_eq(&connection.socket, socket));
            if let Some(connection) = own {
                connection.activity = activity;
            }
        });
    }

    /// Changes the connections of a user, and notes when the best of them is another one by it, or other devices are in
    /// front of the user.
    fn change(&self, user: UserId, change: impl FnOnce(&mut Vec<Connection>)) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let connections = state.users.entry(user).or_default();
        let before = (best(connections), in_front(connections));
        change(connections);
        let after = (best(connections), in_front(connections));
        if connections.is_empty() {
            state.users.remove(&user);
        }
        if before != after {
            state.changed.insert(user);
            self.stirred.notify_one();
        }
    }

    /// A connection has these people on screen now; gives those whom no connection of the user here has any more.
    pub fn watch(&self, socket: &Arc<Socket>, people: Vec<UserId>) -> Vec<UserId> {
        let mut state = self.state.lock();
        let Some(connections) = state.users.get_mut(&socket.caller.user_id) else { return Vec::new() };
        let Some(own) = connections.iter_mut().find(|own| Arc::ptr_eq(&own.socket, socket)) else {
            return Vec::new();
        };
        let mut before = std::mem::replace(&mut own.watched, people);
        before.retain(|person| !connections.iter().any(|connection| connection.watched.contains(person)));
        before
    }

    /// Of whom something changed since this was last asked, and the best of their connections now.
    pub fn take_changed(&self) -> Vec<(UserId, Option<Activity>)> {
        let mut state = self.state.lock();
        let changed = std::mem::take(&mut state.changed);
        let now = |user| state.users.get(&user).and_then(|connections| best(connections));
        changed.into_iter().map(|user| (user, now(user))).collect()
    }

    /// Who is here, and the best of their connections.
    pub fn all(&self) -> Vec<(UserId, Option<Activity>)> {
        self.state.lock().users.iter().map(|(user, connections)| (*user, best(connections))).collect()
    }

    /// The devices that the user has in front of them here.
    pub fn devices_in_front(&self, user: UserId) -> Vec<DeviceId> {
        self.state.lock().users.get(&user).map(|connections| in_front(connections)).unwrap_or_default()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.state.lock().users.is_empty()
    }

    /// Gives an event to one device of a user, and tells how many sockets that were.
    pub fn deliver_to_device(&self, user: UserId, device: DeviceId, frame: &LiveFrame) -> u64 {
        self.deliver(user, frame, |connection| connection.is_of(device))
    }

    /// Whether a device of a user is connected here, to all of the user's events.
    pub fn has_device(&self, user: UserId, device: DeviceId) -> bool {
        let state = self.state.lock();
        state.users.get(&user).is_some_and(|connections| connections.iter().any(|connection| connection.is_of(device)))
    }

    /// Gives a presence to those sockets of a user that show one chat only and have the person on screen: what is for a
    /// user goes to their other sockets anyway.
    pub fn deliver_presence(&self, user: UserId, frame: &Bytes) -> u64 {
        let is_narrow = |c: &Connection| c.socket.scope != Scope::User && !c.watched.is_empty();
        if !self.state.lock().users.get(&user).is_some_and(|connections| connections.iter().any(is_narrow)) {
            return 0;
        }
        let Ok(ServerFrame { frame: Some(Frame::Presence(presence)), .. }) = ServerFrame::decode(frame.clone()) else {
            return 0;
        };
        let Ok(person) = presence.user_id.parse() else { return 0 };
        self.deliver(user, &LiveFrame::new(frame.clone()), |c| is_narrow(c) && c.watched.contains(&person))
    }

    fn deliver(&self, user: UserId, frame: &LiveFrame, to: impl Fn(&Connection) -> bool) -> u64 {
        let state = self.state.lock();
        let mut count = 0;
        for connection in state.users.get(&user).into_iter().flatten().filter(|connection| to(connection)) {
            connection.socket.outbox.push_live(frame);
            count += 1;
        }
        count
    }
}

fn best(connections: &[Connection]) -> Option<Activity> {
    connections.iter().map(|connection| connection.activity).max()
}

fn in_front(connections: &[Connection]) -> Vec<DeviceId> {
    let active = connections.iter().filter(|connection| connection.activity == Activity::Active);
    let mut devices: Vec<DeviceId> = active.map(|connection| connection.socket.caller.device_id).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}
