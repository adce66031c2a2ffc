use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::auth::v1::{FriendRequestDirection, ListFriendIdsRequest, Relationship, UpdateMeRequest};
use godwit_contract::events::v1::account_event::Event;
use godwit_contract::events::v1::{BlockChanged, FriendshipChanged};
use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tonic::Code;

use crate::people::{Answer, Me, People, next, next_of_each, reason};

const FRIENDS: Relationship =
    Relationship { is_friend: true, request_sent: false, request_received: false, is_blocked: false };
const SENT: Relationship =
    Relationship { is_friend: false, request_sent: true, request_received: false, is_blocked: false };
const RECEIVED: Relationship =
    Relationship { is_friend: false, request_sent: false, request_received: true, is_blocked: false };
const NOTHING: Relationship =
    Relationship { is_friend: false, request_sent: false, request_received: false, is_blocked: false };
const BOTH_WAYS: FriendRequestDirection = FriendRequestDirection::Unspecified;

/// What each of two people sees of the other.
async fn seen(one: &Me, other: &Me) -> [Relationship; 2] {
    [one.see(other.id).await.unwrap().1, other.see(one.id).await.unwrap().1]
}

fn friendship(of: &Me, with: &Me, is_friend: bool) -> Event {
    let event = FriendshipChanged { user_id: of.id.to_string(), other_user_id: with.id.to_string(), is_friend };
    Event::FriendshipChanged(event)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_taken_makes_friends() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    let mut events = people.events();
    assert_eq!(ada.add(bob.id).await.unwrap(), SENT);
    assert_eq!(seen(&ada, &bob).await, [SENT, RECEIVED]);
    assert_eq!(ada.add(bob.id).await.unwrap(), SENT, "again: the same answer");
    assert_eq!(reason(&ada.accept(bob.id).await), "FRIEND_REQUEST_NOT_FOUND", "nobody takes their own request");
    assert_eq!(bob.accept(ada.id).await.unwrap(), FRIENDS);
    assert_eq!(seen(&ada, &bob).await, [FRIENDS, FRIENDS]);
    for answer in [bob.accept(ada.id).await, ada.accept(bob.id).await, ada.add(bob.id).await] {
        assert_eq!(answer.unwrap(), FRIENDS);
    }
    ada.remove(bob.id).await.unwrap();
    assert_eq!(seen(&ada, &bob).await, [NOTHING, NOTHING]);
    ada.remove(bob.id).await.unwrap();
    let [made, ended] = [true, false].map(|is_friend| friendship(&ada, &bob, is_friend));
    let [also_made, also_ended] = [true, false].map(|is_friend| friendship(&bob, &ada, is_friend));
    assert_eq!(next_of_each(&mut events, 4).await, [made, ended, also_made, also_ended]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_services_are_told_who_is_a_friend_and_nobody_else() {
    let people = People::new().await;
    let (ada, bob) = people.friends().await;
    let (cleo, dan, eve) = (people.person().await, people.person().await, people.person().await);
    for friend in [&cleo, &dan] {
        friend.add(ada.id).await.unwrap();
        ada.add(friend.id).await.unwrap();
    }
    eve.add(ada.id).await.unwrap();
    ada.remove(dan.id).await.unwrap();
    let mut listed: Vec<UserId> = Vec::new();
    loop {
        let request = ListFriendIdsRequest {
            user_id: ada.id.to_string(),
            after_user_id: listed.last().map(UserId::to_string).unwrap_or_default(),
            limit: 1,
        };
        let page = people.harness.replica.relations().list_friend_ids(request).await.unwrap().into_inner();
        listed.extend(page.user_ids.iter().map(|id| id.parse::<UserId>().unwrap()));
        if !page.has_more {
            break;
        }
    }
    let mut friends = vec![bob.id, cleo.id];
    friends.sort();
    assert_eq!(listed, friends);
}

#[tokio::test(flavor = "multi_thread")]
async fn crossing_requests_join_also_at_once() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    assert_eq!(bob.add(ada.id).await.unwrap(), SENT);
    assert_eq!(ada.add(bob.id).await.unwrap(), FRIENDS);
    let mut events = people.events();
    next_of_each(&mut events, 2).await;
    for _ in 0..10 {
        let (one, other) = people.pair().await;
        let (first, second) = tokio::join!(one.add(other.id), other.add(one.id));
        // One of them was first.
        let answers = [first.unwrap(), second.unwrap()];
        assert!(answers == [SENT, FRIENDS] || answers == [FRIENDS, SENT], "{answers:?}");
        assert_eq!(seen(&one, &other).await, [FRIENDS, FRIENDS]);
        let expected = [friendship(&one, &other, true), friendship(&other, &one, true)];
        assert_eq!(next_of_each(&mut events, 2).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_declined_or_taken_back_without_a_word() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    ada.add(bob.id).await.unwrap();
    bob.reject(ada.id).await.unwrap();
    assert_eq!(seen(&ada, &bob).await, [NOTHING, NOTHING]);
    let refused = bob.reject(ada.id).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "FRIEND_REQUEST_NOT_FOUND"));
    // May be asked again, and taken back.
    ada.add(bob.id).await.unwrap();
    bob.remove(ada.id).await.unwrap();
    assert_eq!(seen(&ada, &bob).await, [SENT, RECEIVED], "the other's request is not one's own");
    ada.remove(bob.id).await.unwrap();
    assert_eq!(reason(&bob.accept(ada.id).await), "FRIEND_REQUEST_NOT_FOUND");
    assert_eq!(seen(&ada, &bob).await, [NOTHING, NOTHING]);
    // Nothing of it was an event: the first is the friendship.
    let mut events = people.events();
    ada.add(bob.id).await.unwrap();
    bob.add(ada.id).await.unwrap();
    let expected = [friendship(&ada, &bob, true), friendship(&bob, &ada, true)];
    assert_eq!(next_of_each(&mut events, 2).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_befriends_themselves_the_unknown_or_the_deleted() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    let refused = ada.add(ada.id).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "CANNOT_TARGET_SELF"));
    assert_eq!(reason(&ada.add(UserId::generate(&SystemClock, &SystemEntropy)).await), "USER_NOT_FOUND");
    bob.add(ada.id).await.unwrap();
    people.delete(bob.id).await;
    assert_eq!(reason(&ada.accept(bob.id).await), "USER_NOT_FOUND");
    assert_eq!(reason(&bob.add(ada.id).await), "USER_NOT_FOUND", "nor do the deleted themselves");
    assert_eq!(ada.requests(BOTH_WAYS, 0, "").await.unwrap().requests, []);
    // Who comes back finds things as they were.
    people.sql("UPDATE users SET deleted_at = NULL").await;
    assert_eq!(ada.accept(bob.id).await.unwrap(), FRIENDS);
}

/// All pages of a list of ids, and how many pages there were.
async fn pages<F>(mut page: impl FnMut(String) -> F) -> (Vec<String>, usize)
where
    F: Future<Output = (Vec<String>, String)>,
{
    let (mut all, mut cursor, mut count) = (vec![], String::new(), 0);
    loop {
        let (ids, next) = page(cursor).await;
        all.extend(ids);
        count += 1;
        if next.is_empty() {
            return (all, count);
        }
        cursor = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_are_listed_newest_first_in_pages() {
    let people = People::new().await;
    let ada = people.person().await;
    let mut befriended = Vec::new();
    for place in 0..11 {
        let friend = people.person().await;
        friend.add(ada.id).await.unwrap();
        ada.accept(friend.id).await.unwrap();
        befriended.push(friend.id.to_string());
        // Some become friends in the same instant: then the ids decide.
        if place % 3 == 0 {
            people.harness.advance(Duration::from_secs(1));
        }
    }
    let (all, count) = pages(async |cursor| {
        let answer = ada.friends(4, &cursor).await.unwrap();
        assert!(answer.friends.len() <= 4);
        let ids = answer.friends.into_iter().map(|friend| friend.user.unwrap().id);
        (ids.collect(), answer.next_cursor)
    })
    .await;
    assert_eq!(count, 3);
    let whole = ada.friends(200, "").await.unwrap().friends;
    let ids: Vec<String> = whole.iter().map(|friend| friend.user.as_ref().unwrap().id.clone()).collect();
    assert_eq!(all, ids);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>(), befriended.iter().collect());
    let instants: Vec<_> = whole.iter().map(|friend| friend.since.unwrap().seconds).collect();
    assert!(instants.is_sorted_by(|newer, older| newer >= older), "{instants:?}");
    assert_eq!(ids[0], befriended[10]);
    assert_eq!(ids[10], befriended[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_listed_by_direction_in_pages() {
    let people = People::new().await;
    let ada = people.person().await;
    let (mut incoming, mut outgoing) = (BTreeSet::new(), BTreeSet::new());
    for place in 0..9 {
        let other = people.person().await;
        if place % 2 == 0 {
            other.add(ada.id).await.unwrap();
            incoming.insert(other.id.to_string());
        } else {
            ada.add(other.id).await.unwrap();
            outgoing.insert(other.id.to_string());
        }
        people.harness.advance(Duration::from_millis(1));
    }
    let both: BTreeSet<String> = incoming.union(&outgoing).cloned().collect();
    for (direction, expected) in [
        (FriendRequestDirection::Incoming, &incoming),
        (FriendRequestDirection::Outgoing, &outgoing),
        (BOTH_WAYS, &both),
    ] {
        let (all, _) = pages(async |cursor| {
            let answer = ada.requests(direction, 2, &cursor).await.unwrap();
            for request in &answer.requests {
                let is_incoming = request.direction() == FriendRequestDirection::Incoming;
                assert_eq!(is_incoming, incoming.contains(&request.user.as_ref().unwrap().id));
                assert!(request.created_at.is_some());
            }
            (answer.requests.into_iter().map(|request| request.user.unwrap().id).collect(), answer.next_cursor)
        })
        .await;
        assert_eq!(all.len(), expected.len(), "none twice");
        assert_eq!(&all.into_iter().collect::<BTreeSet<_>>(), expected);
    }
    assert_eq!(ada.friends(0, "").await.unwrap().friends, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_friend_shortens_a_page_and_ends_no_list() {
    let people = People::new().await;
    let ada = people.person().await;
    let mut friends = Vec::new();
    for _ in 0..4 {
        let friend = people.person().await;
        friend.add(ada.id).await.unwrap();
        ada.accept(friend.id).await.unwrap();
        friends.push(friend.id);
        people.harness.advance(Duration::from_secs(1));
    }
    people.delete(friends[3]).await;
    people.delete(friends[2]).await;
    let (all, count) = pages(async |cursor| {
        let answer = ada.friends(2, &cursor).await.unwrap();
        (answer.friends.into_iter().map(|friend| friend.user.unwrap().id).collect(), answer.next_cursor)
    })
    .await;
    assert_eq!((all, count), (vec![friends[1].to_string(), friends[0].to_string()], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_of_one_list() {
    let people = People::new().await;
    let ada = people.person().await;
    for _ in 0..2 {
        let friend = people.person().await;
        friend.add(ada.id).await.unwrap();
        ada.accept(friend.id).await.unwrap();
    }
    let cursor = ada.friends(1, "").await.unwrap().next_cursor;
    assert_eq!(ada.friends(1, &cursor).await.unwrap().friends.len(), 1);
    for text in [cursor.as_str(), "x", &"A".repeat(34), &"_".repeat(10_000)] {
        let refused = ada.blocked(1, text).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "INVALID_CURSOR"), "{text:.40}");
        assert_eq!(reason(&ada.requests(BOTH_WAYS, 1, text).await), "INVALID_CURSOR");
    }
}

/// Rows of as many people, each with a relationship to `me` whose `column` is set.
async fn crowd(people: &People, me: &Me, column: &str, count: i64) {
    people
        .sql(&format!(
            "INSERT INTO users (id, username, display_name, email, password_hash, created_at)
             SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'crowd' || n, 'X',
                    n || '@crowd.org', 'none', now() FROM generate_series(1, {count}) n"
        ))
        .await;
    people
        .sql(&format!(
            "INSERT INTO relationships (low_id, high_id, {column})
             SELECT id, '{}', now() FROM users WHERE username LIKE 'crowd%'",
            me.id
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_more_than_5000_friends() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    crowd(&people, &ada, "friends_since", 5_000).await;
    bob.add(ada.id).await.unwrap();
    let refused = ada.accept(bob.id).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (409, "FRIENDS_LIMIT"));
    assert_eq!(reason(&ada.add(bob.id).await), "FRIENDS_LIMIT");
    ada.remove(bob.id).await.unwrap();
    bob.remove(ada.id).await.unwrap();
    ada.add(bob.id).await.unwrap();
    assert_eq!(reason(&bob.accept(ada.id).await), "FRIENDS_LIMIT", "whoever of the two has them");
    people.sql("DELETE FROM relationships WHERE low_id = '00000000-0000-7000-8000-000000000001'").await;
    assert_eq!(bob.accept(ada.id).await.unwrap(), FRIENDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_more_than_500_requests_that_wait() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    // Ada has the higher id in each pair with one of the crowd.
    crowd(&people, &ada, "high_requested_at", 500).await;
    let refused = ada.add(bob.id).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (409, "FRIEND_REQUESTS_LIMIT"));
    bob.add(ada.id).await.unwrap();
    assert_eq!(ada.add(bob.id).await.unwrap(), FRIENDS, "to take one is to make none");
    let eve = people.person().await;
    people.sql("DELETE FROM relationships WHERE low_id = '00000000-0000-7000-8000-000000000001'").await;
    assert_eq!(ada.add(eve.id).await.unwrap(), SENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_blocks_more_than_5000() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    crowd(&people, &ada, "high_blocked_at", 5_000).await;
    let refused = ada.block(bob.id).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (409, "BLOCKS_LIMIT"));
    bob.block(ada.id).await.unwrap();
    assert_eq!(ada.blocked(200, "").await.unwrap().users.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_do_not_pass_the_limit() {
    let people = People::new().await;
    let ada = people.person().await;
    crowd(&people, &ada, "high_requested_at", 497).await;
    let others = join_all((0..8).map(|_| people.person())).await;
    let answers = join_all(others.iter().map(|other| ada.add(other.id))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    assert!(answers.iter().all(|answer| matches!(reason(answer), "" | "FRIEND_REQUESTS_LIMIT")));
}

/// What one of two people does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Add,
    Accept,
    Reject,
    Remove,
    Block,
    Unblock,
}

const STEPS: [Step; 6] = [Step::Add, Step::Accept, Step::Reject, Step::Remove, Step::Block, Step::Unblock];

/// What there is between two people, in plain flags; `0` is the one, `1` the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    are_friends: bool,
    has_asked: [bool; 2],
    blocks: [bool; 2],
}

impl State {
    fn take(mut self, actor: usize, step: Step) -> (Self, &'static str) {
        let other = 1 - actor;
        let is_blocked = self.blocks[0] || self.blocks[1];
        match step {
            Step::Add | Step::Accept if is_blocked => return (self, "BLOCKED"),
            Step::Add | Step::Accept if self.are_friends => {}
            Step::Add if !self.has_asked[other] => self.has_asked[actor] = true,
            Step::Accept | Step::Reject if !self.has_asked[other] => return (self, "FRIEND_REQUEST_NOT_FOUND"),
            Step::Add | Step::Accept => self = Self { are_friends: true, ..Self::default() },
            Step::Reject => self.has_asked[other] = false,
            Step::Remove => {
                self.are_friends = false;
                self.has_asked[actor] = false;
            }
            Step::Block => {
                self = Self { blocks: self.blocks, ..Self::default() };
                self.blocks[actor] = true;
            }
            Step::Unblock => self.blocks[actor] = false,
        }
        (self, "")
    }

    /// What the two see of each other.
    fn views(&self) -> [Relationship; 2] {
        [0, 1].map(|side| Relationship {
            is_friend: self.are_friends,
            request_sent: self.has_asked[side],
            request_received: self.has_asked[1 - side],
            is_blocked: self.blocks[side],
        })
    }
}

/// Every state that some order of these steps leads to in which each has the outcome that it had.
fn explained(state: State, steps: &[(usize, Step, String)]) -> Vec<State> {
    if steps.is_empty() {
        return vec![state];
    }
    let mut states = Vec::new();
    for (place, (actor, step, outcome)) in steps.iter().enumerate() {
        let (after, would_be) = state.take(*actor, *step);
        if would_be == outcome {
            let rest = steps.iter().enumerate().filter(|(other, _)| *other != place);
            let rest: Vec<_> = rest.map(|(_, step)| step.clone()).collect();
            states.extend(explained(after, &rest));
        }
    }
    states
}

async fn take(me: &Me, other: UserId, step: Step) -> String {
    let answer: Answer = match step {
        Step::Add => me.add(other).await.map(|_| ()),
        Step::Accept => me.accept(other).await.map(|_| ()),
        Step::Reject => me.reject(other).await,
        Step::Remove => me.remove(other).await,
        Step::Block => me.block(other).await,
        Step::Unblock => me.unblock(other).await,
    };
    reason(&answer).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_two_people_do_at_once_some_order_explains_it() {
    let people = People::new().await;
    let both = people.pair().await;
    let both = [both.0, both.1];
    let mut events = people.events();
    let mut runner = TestRunner::deterministic();
    let step = (0_usize..2, proptest::sample::select(&STEPS[..]));
    let rounds = proptest::collection::vec(proptest::collection::vec(step, 1..6), 40).new_tree(&mut runner).unwrap();
    let mut state = State::default();
    for round in rounds.current() {
        let taking = round.iter().map(|(actor, step)| take(&both[*actor], both[1 - actor].id, *step));
        let outcomes = join_all(taking).await;
        let steps: Vec<_> = round.iter().zip(outcomes).map(|((actor, step), is)| (*actor, *step, is)).collect();
        let views = seen(&both[0], &both[1]).await;
        let states = explained(state, &steps);
        let found = states.iter().find(|state| state.views() == views);
        state = *found.unwrap_or_else(|| panic!("from {state:?} by {steps:?} to {views:?}"));
        let known = people.harness.cluster.neighbours.block_of(both[0].id, both[1].id);
        assert_eq!(known.is_blocked, state.blocks[0] || state.blocks[1], "chat knows when the calls have returned");
    }
    // The events tell the same: each changes what it is about, and the last says how it is. A change of each one's
    // profile comes behind all others of their key.
    for me in &both {
        let bio = Some("That was that.".to_owned());
        me.update(UpdateMeRequest { bio, ..UpdateMeRequest::default() }).await.unwrap();
    }
    let mut told: BTreeMap<(String, &str), bool> = BTreeMap::new();
    let mut ended = 0;
    while ended < both.len() {
        let (key, is_so) = match next(&mut events).await {
            Event::FriendshipChanged(FriendshipChanged { user_id, is_friend, .. }) => ((user_id, "friend"), is_friend),
            Event::BlockChanged(BlockChanged { user_id, is_blocked, .. }) => ((user_id, "block"), is_blocked),
            Event::ProfileChanged(_) => {
                ended += 1;
                continue;
            }
            other => panic!("{other:?}"),
        };
        assert_ne!(told.insert(key, is_so).unwrap_or_default(), is_so, "an event that changes nothing");
    }
    let last = |me: &Me, what| told.get(&(me.id.to_string(), what)).copied().unwrap_or_default();
    for (side, me) in both.iter().enumerate() {
        assert_eq!((last(me, "friend"), last(me, "block")), (state.are_friends, state.blocks[side]));
    }
}
