use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl as _;
use godwit_contract::auth::v1::FriendRequestDirection;
use godwit_contract::events::v1::account_event::Event;
use godwit_contract::events::v1::{BlockChanged, FriendshipChanged};
use godwit_testkit::eventually;
use tonic::Code;

use crate::neighbours::DirectBlock;
use crate::people::{Me, People, next, next_of_each, reason};

const PATIENCE: Duration = Duration::from_secs(30);

fn known(people: &People, one: &Me, other: &Me) -> DirectBlock {
    people.harness.cluster.neighbours.block_of(one.id, other.id)
}

fn block(of: &Me, blocked: &Me, is_blocked: bool) -> Event {
    let (user_id, blocked_user_id) = (of.id.to_string(), blocked.id.to_string());
    Event::BlockChanged(BlockChanged { user_id, blocked_user_id, is_blocked })
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_knows_of_a_block_when_the_call_returns() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    let mut events = people.events();
    bob.block(ada.id).await.unwrap();
    assert_eq!(known(&people, &ada, &bob), DirectBlock { is_blocked: true, version: 1 });
    assert_eq!(next(&mut events).await, block(&bob, &ada, true));
    // Again: nothing is new, so nothing is told.
    bob.block(ada.id).await.unwrap();
    assert_eq!(people.harness.cluster.neighbours.tellings(), 1);
    bob.unblock(ada.id).await.unwrap();
    assert_eq!(known(&people, &ada, &bob), DirectBlock { is_blocked: false, version: 2 });
    assert_eq!(next(&mut events).await, block(&bob, &ada, false));
    bob.unblock(ada.id).await.unwrap();
    assert_eq!(people.harness.cluster.neighbours.tellings(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_lifts_their_own_block_and_no_other() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    ada.block(bob.id).await.unwrap();
    bob.unblock(ada.id).await.unwrap();
    assert!(known(&people, &ada, &bob).is_blocked, "only who blocks can unblock");
    bob.block(ada.id).await.unwrap();
    ada.unblock(bob.id).await.unwrap();
    assert!(known(&people, &ada, &bob).is_blocked, "the other's is in force yet");
    assert_eq!(reason(&ada.add(bob.id).await), "BLOCKED");
    bob.unblock(ada.id).await.unwrap();
    assert_eq!(known(&people, &ada, &bob), DirectBlock { is_blocked: false, version: 4 });
    ada.add(bob.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_ends_friendship_and_requests_and_forbids_new_ones() {
    let people = People::new().await;
    let (ada, bob) = people.friends().await;
    let eve = people.person().await;
    eve.add(ada.id).await.unwrap();
    let mut events = people.events();
    next_of_each(&mut events, 2).await;
    for other in [&bob, &eve] {
        ada.block(other.id).await.unwrap();
        for (one, two) in [(&ada, other), (other, &ada)] {
            let refused = one.add(two.id).await.unwrap_err();
            assert_eq!((refused.code, refused.reason.as_str()), (Code::PermissionDenied, "BLOCKED"));
            assert_eq!(reason(&one.accept(two.id).await), "BLOCKED");
        }
    }
    for me in [&ada, &bob, &eve] {
        assert_eq!(me.friends(0, "").await.unwrap().friends, []);
        assert_eq!(me.requests(FriendRequestDirection::Unspecified, 0, "").await.unwrap().requests, []);
    }
    let [ended, also_ended] = [(&ada, &bob), (&bob, &ada)].map(|(one, two)| {
        let (user_id, other_user_id) = (one.id.to_string(), two.id.to_string());
        Event::FriendshipChanged(FriendshipChanged { user_id, other_user_id, is_friend: false })
    });
    // That a request is gone is no event.
    let expected = [ended, block(&ada, &bob, true), block(&ada, &eve, true), also_ended];
    assert_eq!(next_of_each(&mut events, 4).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_is_listed_to_who_blocks_alone() {
    let people = People::new().await;
    let ada = people.person().await;
    let mut blocked = Vec::new();
    for _ in 0..5 {
        let other = people.person().await;
        ada.block(other.id).await.unwrap();
        assert_eq!(other.blocked(0, "").await.unwrap().users, []);
        blocked.insert(0, other.id.to_string());
        people.harness.advance(Duration::from_secs(1));
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ada.blocked(2, &cursor).await.unwrap();
        listed.extend(page.users.into_iter().map(|entry| entry.user.unwrap().id));
        if page.next_cursor.is_empty() {
            break;
        }
        cursor = page.next_cursor;
    }
    assert_eq!(listed, blocked, "newest first");
    ada.unblock(blocked[0].parse().unwrap()).await.unwrap();
    assert_eq!(ada.blocked(0, "").await.unwrap().users.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_stands_though_chat_does_not_answer_and_asking_again_waits_for_it() {
    let people = People::new().await;
    let (ada, bob) = people.friends().await;
    let neighbours = &people.harness.cluster.neighbours;
    neighbours.set_down(true);
    for _ in 0..2 {
        let refused = ada.block(bob.id).await.unwrap_err();
        assert_eq!((refused.http_status(), refused.reason.as_str()), (503, "BLOCK_NOT_READY"));
    }
    assert!(ada.see(bob.id).await.unwrap().1.is_blocked);
    assert_eq!(reason(&bob.add(ada.id).await), "BLOCKED");
    neighbours.set_down(false);
    ada.block(bob.id).await.unwrap();
    assert_eq!(known(&people, &ada, &bob), DirectBlock { is_blocked: true, version: 1 });
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn untold(people: &People) -> i64 {
    let mut conn = people.pool.get().await.unwrap();
    let query = "SELECT count(*) FROM relationships WHERE told_block_version < block_version";
    diesel::sql_query(query).get_result::<Count>(&mut conn).await.unwrap().count
}

#[tokio::test(flavor = "multi_thread")]
async fn what_chat_could_not_be_told_is_told_when_it_answers_again() {
    let people = People::new().await;
    let ada = people.person().await;
    let neighbours = &people.harness.cluster.neighbours;
    neighbours.set_down(true);
    let mut others = Vec::new();
    for place in 0..7 {
        let other = people.person().await;
        assert_eq!(reason(&ada.block(other.id).await), "BLOCK_NOT_READY");
        if place % 3 == 0 {
            assert_eq!(reason(&ada.unblock(other.id).await), "BLOCK_NOT_READY");
        }
        others.push((other, place % 3 != 0));
    }
    assert_eq!(untold(&people).await, 7);
    neighbours.set_down(false);
    eventually(PATIENCE, || async { untold(&people).await == 0 }).await;
    for (other, is_blocked) in &others {
        let version = if *is_blocked { 1 } else { 2 };
        assert_eq!(known(&people, &ada, other), DirectBlock { is_blocked: *is_blocked, version });
    }
    let tellings = neighbours.tellings();
    ada.block(others[1].0.id).await.unwrap();
    assert_eq!(neighbours.tellings(), tellings, "what is known is not told again");
}
