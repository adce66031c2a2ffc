use bytes::Bytes;
use futures_util::FutureExt as _;
use godwit_kernel::{DeviceId, SystemClock, SystemEntropy};
use godwit_rpc::Caller;
use proptest::prelude::*;

use super::super::frames::{Encoding, Wire};
use super::super::outbox::{Item, Outbox};
use super::*;

struct Scene {
    feeds: Feeds,
    followed: HashSet<Channel>,
    user: UserId,
}

fn scene() -> Scene {
    Scene { feeds: Feeds::default(), followed: HashSet::new(), user: UserId::generate(&SystemClock, &SystemEntropy) }
}

fn chat() -> ChatId {
    ChatId::generate(&SystemClock, &SystemEntropy)
}

impl Scene {
    fn connect(&mut self, scope: Scope) -> Arc<Socket> {
        let caller = Caller {
            user_id: self.user,
            session_id: SessionId::generate(&SystemClock, &SystemEntropy),
            device_id: DeviceId::generate(&SystemClock, &SystemEntropy),
        };
        let outbox = Outbox::new(Encoding::Binary);
        outbox.open(Wire::Binary(Bytes::new()));
        outbox.next().now_or_never().unwrap();
        let socket = Arc::new(Socket { caller, scope, outbox });
        self.feeds.add(&socket, 100);
        socket
    }

    fn list(&mut self, chats: &[ChatId]) {
        let listing = self.feeds.begin_listing(self.user, Relist::Always).unwrap();
        self.feeds.finish_listing(listing, chats.to_vec());
    }

    /// As when the chat service said that the user is a member.
    fn show(&mut self, narrow: &Arc<Socket>, chat: ChatId) {
        self.feeds.follow_for(narrow, chat);
        self.check(chat);
    }

    fn check(&mut self, chat: ChatId) {
        let check = self.feeds.begin_check(self.user, chat);
        assert!(self.feeds.finish_check(check).is_empty(), "nothing was missed yet");
    }

    fn follows(&mut self, channel: Channel) -> bool {
        self.feeds.take_channel_changes(&mut self.followed);
        self.followed.contains(&channel)
    }
}

fn gets_event(feeds: &Feeds, chat: ChatId, socket: &Socket) -> bool {
    feeds.deliver_to_chat(chat, &LiveFrame::new(Bytes::from_static(b"event")));
    matches!(socket.outbox.next().now_or_never(), Some(Item::Live(_)))
}

#[test]
fn channels_are_followed_as_long_as_a_socket_needs_them() {
    let (mut scene, chat) = (scene(), chat());
    let user = Channel::User(scene.user);
    let (one, other) = (scene.connect(Scope::User), scene.connect(Scope::User));
    scene.list(&[chat]);
    assert!(scene.follows(user) && scene.follows(Channel::Chat(chat)));
    scene.feeds.remove(&one);
    scene.feeds.remove(&one);
    assert!(scene.follows(user) && scene.follows(Channel::Chat(chat)));
    assert!(gets_event(&scene.feeds, chat, &other));
    assert!(!gets_event(&scene.feeds, chat, &one));
    scene.feeds.remove(&other);
    assert!(!scene.follows(user) && !scene.follows(Channel::Chat(chat)));
    assert_eq!((scene.feeds.socket_count(), scene.feeds.channel_count(), scene.feeds.sessions.len()), (0, 0, 0));
}

#[test]
fn joining_and_leaving_move_interest_at_once() {
    let (mut scene, chat) = (scene(), chat());
    let socket = scene.connect(Scope::User);
    scene.list(&[]);
    scene.feeds.join(scene.user, &[chat]);
    let changes = scene.feeds.take_channel_changes(&mut scene.followed);
    assert_eq!((changes.joined, changes.added.len()), (vec![scene.user], 2));
    assert!(gets_event(&scene.feeds, chat, &socket));
    scene.feeds.leave(scene.user, &[chat]);
    assert!(!gets_event(&scene.feeds, chat, &socket));
    assert!(!scene.follows(Channel::Chat(chat)));
}

#[test]
fn what_changes_while_chats_are_listed_is_not_lost() {
    let (mut scene, [old, new, stale]) = (scene(), [chat(), chat(), chat()]);
    let socket = scene.connect(Scope::User);
    let listing = scene.feeds.begin_listing(scene.user, Relist::IfUnknown).unwrap();
    scene.feeds.leave(scene.user, &[stale]);
    scene.feeds.join(scene.user, &[new]);
    scene.feeds.finish_listing(listing, vec![old, stale]);
    for (chat, expected) in [(old, true), (new, true), (stale, false)] {
        assert_eq!(gets_event(&scene.feeds, chat, &socket), expected);
    }
    assert_eq!(scene.feeds.begin_listing(scene.user, Relist::IfUnknown), None);
}

#[test]
fn a_new_list_takes_the_place_of_the_old() {
    let (mut scene, [old, new]) = (scene(), [chat(), chat()]);
    let socket = scene.connect(Scope::User);
    scene.list(&[old]);
    scene.list(&[new]);
    assert!(!gets_event(&scene.feeds, old, &socket) && gets_event(&scene.feeds, new, &socket));
    assert!(!scene.follows(Channel::Chat(old)));
}

#[test]
fn a_list_for_a_user_who_went_and_came_back_is_not_taken() {
    let (mut scene, chat) = (scene(), chat());
    let socket = scene.connect(Scope::User);
    let listing = scene.feeds.begin_listing(scene.user, Relist::IfUnknown).unwrap();
    scene.feeds.remove(&socket);
    let back = scene.connect(Scope::User);
    scene.feeds.finish_listing(listing, vec![chat]);
    assert!(!gets_event(&scene.feeds, chat, &back));
}

#[test]
fn a_socket_of_one_chat_shows_only_it_and_is_closed_when_its_user_leaves() {
    let (mut scene, [one, other]) = (scene(), [chat(), chat()]);
    let all = scene.connect(Scope::User);
    let narrow = scene.connect(Scope::Chat(one));
    scene.list(&[one, other]);
    scene.feeds.follow_for(&narrow, one);
    assert!(!gets_event(&scene.feeds, one, &narrow), "nobody said yet that its user is a member");
    scene.check(one);
    assert!(gets_event(&scene.feeds, one, &narrow) && !gets_event(&scene.feeds, other, &narrow));
    assert_eq!(scene.feeds.deliver_to_user(scene.user, &LiveFrame::new(Bytes::new())), 1);
    scene.feeds.leave(scene.user, &[one]);
    assert_eq!(narrow.outbox.closed(), Some(Close::Forbidden));
    assert_eq!(all.outbox.closed(), None);
    scene.feeds.remove(&all);
    assert!(!scene.follows(Channel::Chat(other)));
    scene.feeds.remove(&narrow);
    assert!(!scene.follows(Channel::Chat(one)));
}

#[test]
fn the_oldest_socket_over_the_limit_is_given_back() {
    let mut scene = scene();
    let first = scene.connect(Scope::User);
    let second = scene.connect(Scope::User);
    let elsewhere = || Caller { device_id: DeviceId::generate(&SystemClock, &SystemEntropy), ..second.caller };
    let socket = |caller| Arc::new(Socket { caller, scope: Scope::User, outbox: Outbox::new(Encoding::Json) });
    let third = socket(elsewhere());
    let oldest = scene.feeds.add(&third, 2).unwrap();
    assert!(Arc::ptr_eq(&oldest, &first));
    // It is closed, and not out yet: with the next one, the second has to go.
    first.outbox.close(Close::Replaced, None);
    assert!(Arc::ptr_eq(&scene.feeds.add(&socket(elsewhere()), 2).unwrap(), &second));
    // A device that has another gives that.
    let fifth = socket(third.caller);
    assert!(Arc::ptr_eq(&scene.feeds.add(&fifth, 2).unwrap(), &third));
}

#[test]
fn who_left_a_chat_gets_nothing_of_it_and_others_still_do() {
    let (mut scene, chat) = (scene(), chat());
    let socket = scene.connect(Scope::User);
    let narrow = scene.connect(Scope::Chat(chat));
    scene.list(&[chat]);
    scene.show(&narrow, chat);
    scene.feeds.leave(scene.user, &[chat]);
    assert!(!gets_event(&scene.feeds, chat, &socket));
    assert_eq!(narrow.outbox.closed(), Some(Close::Forbidden));
    assert!(!scene.follows(Channel::Chat(chat)));
    assert!(scene.feeds.has_left_lately(scene.user, &[chat]));
}

#[test]
fn a_user_whose_leaves_may_be_missed_gets_nothing_until_their_chats_are_listed_again() {
    let (mut scene, chat) = (scene(), chat());
    let socket = scene.connect(Scope::User);
    scene.list(&[chat]);
    scene.feeds.suspect_all();
    assert!(!gets_event(&scene.feeds, chat, &socket));
    assert_eq!(scene.feeds.suspects().collect::<Vec<_>>(), [scene.user]);
    scene.list(&[chat]);
    assert!(gets_event(&scene.feeds, chat, &socket));
    let changes = scene.feeds.take_channel_changes(&mut scene.followed);
    assert_eq!(changes.recovered, [scene.user], "what was held back is synced");
}

#[test]
fn a_list_that_was_begun_before_leaves_were_missed_is_not_trusted() {
    let (mut scene, chat) = (scene(), chat());
    let socket = scene.connect(Scope::User);
    let listing = scene.feeds.begin_listing(scene.user, Relist::IfUnknown).unwrap();
    scene.feeds.suspect_all();
    scene.feeds.finish_listing(listing, vec![chat]);
    assert!(!gets_event(&scene.feeds, chat, &socket));
    assert_eq!(scene.feeds.suspects().collect::<Vec<_>>(), [scene.user]);
    scene.list(&[chat]);
    assert!(gets_event(&scene.feeds, chat, &socket));
    assert_eq!(scene.feeds.suspects().count(), 0);
}

#[test]
fn a_socket_of_one_chat_is_shown_it_again_only_when_its_user_was_found_to_be_a_member_since() {
    let (mut scene, chat) = (scene(), chat());
    let all = scene.connect(Scope::User);
    let narrow = scene.connect(Scope::Chat(chat));
    scene.list(&[chat]);
    scene.show(&narrow, chat);
    let early = scene.feeds.begin_check(scene.user, chat);
    scene.feeds.suspect_all();
    // The list says nothing about the other socket.
    scene.list(&[chat]);
    assert!(gets_event(&scene.feeds, chat, &all) && !gets_event(&scene.feeds, chat, &narrow));
    assert!(scene.feeds.finish_check(early).is_empty());
    assert!(!gets_event(&scene.feeds, chat, &narrow));
    assert_eq!(scene.feeds.suspects().collect::<Vec<_>>(), [scene.user]);
    assert_eq!(scene.feeds.unchecked_chats(scene.user), [chat]);
    let check = scene.feeds.begin_check(scene.user, chat);
    let recovered = scene.feeds.finish_check(check);
    assert!(matches!(recovered.as_slice(), [one] if Arc::ptr_eq(one, &narrow)), "it must sync");
    assert!(gets_event(&scene.feeds, chat, &narrow));
    assert_eq!((scene.feeds.suspects().count(), scene.feeds.unchecked_chats(scene.user).len()), (0, 0));
}

/// What can happen to one user and one chat, in any order.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The user joins or leaves, and this node hears of it or does not. What it does not hear of, it is told that it
    /// may have missed, before the next event.
    Change {
        is_member: bool,
        is_heard: bool,
    },
    /// The user's chats are listed: begun, read at the chat service, done.
    BeginListing,
    ReadList,
    FinishListing,
    /// The same for the socket of the one chat.
    BeginCheck,
    ReadMembership,
    FinishCheck,
    Event,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (any::<bool>(), any::<bool>()).prop_map(|(is_member, is_heard)| Step::Change { is_member, is_heard });
    let step = prop_oneof![
        change,
        Just(Step::BeginListing),
        Just(Step::ReadList),
        Just(Step::FinishListing),
        Just(Step::BeginCheck),
        Just(Step::ReadMembership),
        Just(Step::FinishCheck),
        Just(Step::Event),
    ];
    proptest::collection::vec(step, 0..60)
}

/// The world of the model: what is true, and what was read of it.
#[derive(Default)]
struct World {
    is_member: bool,
    is_missed: bool,
    listing: Option<(Listing, Option<bool>)>,
    check: Option<(Check, Option<bool>)>,
}

impl World {
    fn take(&mut self, scene: &mut Scene, chat: ChatId, step: Step) {
        let user = scene.user;
        match step {
            Step::Change { is_member, is_heard } => {
                self.is_member = is_member;
                match (is_heard, is_member) {
                    (false, _) => self.is_missed = true,
                    (true, true) => scene.feeds.join(user, &[chat]),
                    (true, false) => assert!(scene.feeds.leave(user, &[chat])),
                }
            }
            Step::BeginListing => {
                self.listing = scene.feeds.begin_listing(user, Relist::Always).map(|listing| (listing, None));
            }
            Step::ReadList => self.listing = self.listing.map(|(listing, _)| (listing, Some(self.is_member))),
            Step::FinishListing => {
                if let Some((listing, Some(was_member))) = self.listing.take() {
                    scene.feeds.finish_listing(listing, if was_member { vec![chat] } else { vec![] });
                }
            }
            Step::BeginCheck => self.check = Some((scene.feeds.begin_check(user, chat), None)),
            Step::ReadMembership => self.check = self.check.map(|(check, _)| (check, Some(self.is_member))),
            Step::FinishCheck => match self.check.take() {
                Some((check, Some(true))) => drop(scene.feeds.finish_check(check)),
                Some((_, Some(false))) => {
                    scene.feeds.leave(user, &[chat]);
                }
                _ => {}
            },
            Step::Event => {
                if std::mem::take(&mut self.is_missed) {
                    scene.feeds.suspect_all();
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn whoever_is_no_member_gets_no_event_whatever_was_heard_and_missed(steps in steps()) {
        let (mut scene, chat, mut world) = (scene(), chat(), World::default());
        let all = scene.connect(Scope::User);
        let narrow = scene.connect(Scope::Chat(chat));
        scene.feeds.follow_for(&narrow, chat);
        for step in steps {
            world.take(&mut scene, chat, step);
            if matches!(step, Step::Event) {
                scene.feeds.deliver_to_chat(chat, &LiveFrame::new(Bytes::from_static(b"event")));
                for socket in [&all, &narrow] {
                    let is_shown = std::iter::from_fn(|| socket.outbox.try_next()).any(|item| matches!(item, Item::Live(_)));
                    prop_assert!(!is_shown || world.is_member, "shown to {:?}", socket.scope);
                }
            }
        }
        // And who is a member gets events again once that was found out.
        for step in [Step::Event, Step::BeginListing, Step::ReadList, Step::FinishListing] {
            world.take(&mut scene, chat, step);
        }
        prop_assert_eq!(gets_event(&scene.feeds, chat, &all), world.is_member);
    }
}
