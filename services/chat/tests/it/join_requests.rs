//! What those who answer join requests are told of them, each in the log of what is theirs alone.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join, join_all};
use godwit_contract::chat::v1 as api;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{Clock as _, UserId};
use godwit_rpc::timestamp;
use godwit_testkit::eventually;
use tonic::Status;

use crate::harness::{Bed, Client, PATIENCE, refusal};
use crate::neighbours::Appends;

/// What somebody is told, with who caused it.
fn told(bed: &Bed, user_id: UserId) -> Vec<(String, pb::JoinRequestsChanged)> {
    let log = bed.neighbours.log_of(&user_id.to_string()).into_iter().map(|append| append.update.unwrap());
    let of_requests = |update: pb::Update| match update.change {
        Some(Change::JoinRequestsChanged(changed)) => Some((update.actor_id, changed)),
        _ => None,
    };
    log.filter_map(of_requests).collect()
}

/// The last of it.
fn last_told(bed: &Bed, user_id: UserId) -> (String, pb::JoinRequestsChanged) {
    told(bed, user_id).pop().unwrap()
}

fn asked(bed: &Bed, chat_id: &str, user_id: UserId, count: u32) -> (String, pb::JoinRequestsChanged) {
    let changed = pb::JoinRequestsChanged {
        added_user_id: user_id.to_string(),
        requested_at: Some(timestamp(bed.clock.now())),
        ..counted(chat_id, count)
    };
    (user_id.to_string(), changed)
}

fn ended(chat_id: &str, actor: UserId, user_id: UserId, count: u32) -> (String, pb::JoinRequestsChanged) {
    let removed_user_ids = vec![user_id.to_string()];
    (actor.to_string(), pb::JoinRequestsChanged { removed_user_ids, ..counted(chat_id, count) })
}

fn counted(chat_id: &str, join_request_count: u32) -> pb::JoinRequestsChanged {
    pb::JoinRequestsChanged { chat_id: chat_id.to_owned(), join_request_count, ..Default::default() }
}

async fn accept(client: &Client, chat_id: &str, user_id: UserId) -> Result<(), Status> {
    let (chat_id, user_id) = (chat_id.to_owned(), user_id.to_string());
    client.accept_join_request(api::AcceptJoinRequestRequest { chat_id, user_id }).await.map(drop)
}

async fn reject(client: &Client, chat_id: &str, user_id: UserId) -> Result<(), Status> {
    let (chat_id, user_id) = (chat_id.to_owned(), user_id.to_string());
    client.reject_join_request(api::RejectJoinRequestRequest { chat_id, user_id }).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_and_admins_are_told_who_asks_and_what_was_answered() {
    let bed = Bed::new().await;
    let (ada, bob, member) = (bed.person(), bed.person(), bed.person());
    let (carl, dora) = (bed.person(), bed.person());
    let (owner, admin) = (bed.client(0, ada), bed.client(1, bob));
    for chat in [owner.group(&[]).await, owner.channel("").await] {
        let open = owner.invite(&chat.id, 0, false).await.unwrap().code;
        for joiner in [bob, member] {
            bed.client(1, joiner).join(&open).await.unwrap();
        }
        owner.role(&chat.id, bob, pb::ChatRole::Admin).await.unwrap();
        let code = owner.invite(&chat.id, 0, true).await.unwrap().code;
        let before = told(&bed, ada).len();
        let mut expected = Vec::new();
        for (number, guest) in (1..).zip([carl, dora]) {
            for _ in 0..2 {
                assert!(bed.client(0, guest).join(&code).await.unwrap().is_waiting);
            }
            expected.push(asked(&bed, &chat.id, guest, number));
            bed.clock.advance(Duration::from_secs(1));
        }
        for _ in 0..2 {
            accept(&admin, &chat.id, carl).await.unwrap();
        }
        expected.push(ended(&chat.id, bob, carl, 1));
        reject(&owner, &chat.id, dora).await.unwrap();
        expected.push(ended(&chat.id, ada, dora, 0));
        for answerer in [ada, bob] {
            assert_eq!(told(&bed, answerer)[before..], expected);
        }
        for other in [member, carl, dora] {
            assert!(told(&bed, other).is_empty(), "that is for who may answer");
        }
        let log = bed.neighbours.changes_of(&chat.id);
        assert!(!log.iter().any(|change| matches!(change, Change::JoinRequestsChanged(_))), "{log:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_ends_in_another_way_is_told_too() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let owner = bed.client(0, ada);
    let group = owner.group(&[]).await;
    let code = owner.invite(&group.id, 0, true).await.unwrap().code;
    let open = owner.invite(&group.id, 0, false).await.unwrap().code;
    let [eve, friend, other, late] = [(); 4].map(|()| bed.person());
    for guest in [eve, friend, other, late] {
        bed.client(1, guest).join(&code).await.unwrap();
    }
    owner.ban(&group.id, eve).await.unwrap();
    assert_eq!(last_told(&bed, ada), ended(&group.id, ada, eve, 3));
    let news = told(&bed, ada).len();
    owner.ban(&group.id, eve).await.unwrap();
    owner.add(&group.id, &[bed.person()]).await.unwrap();
    owner.revoke_invites(api::RevokeInvitesRequest { chat_id: group.id.clone(), code }).await.unwrap();
    assert_eq!(told(&bed, ada).len(), news, "nobody of those who wait is concerned");
    owner.add(&group.id, &[bed.person(), friend, other]).await.unwrap();
    let (actor, changed) = last_told(&bed, ada);
    let removed: BTreeSet<String> = changed.removed_user_ids.into_iter().collect();
    assert_eq!((actor, changed.join_request_count), (ada.to_string(), 1));
    assert_eq!(removed, BTreeSet::from([friend, other].map(|user_id| user_id.to_string())));
    bed.client(1, late).join(&open).await.unwrap();
    assert_eq!(last_told(&bed, ada), ended(&group.id, late, late, 0));

    // Who waits for a channel may find that it is public.
    let channel = owner.channel("open_to_all").await;
    let code = owner.invite(&channel.id, 0, true).await.unwrap().code;
    let reader = bed.client(1, late);
    assert!(reader.join(&code).await.unwrap().is_waiting);
    reader.follow(&channel.id).await.unwrap();
    assert_eq!(last_told(&bed, ada), ended(&channel.id, late, late, 0));
    let own = bed.neighbours.changes_of(&late.to_string());
    assert_eq!(own.last(), Some(&Change::ChatJoined(pb::ChatJoined { chat_id: channel.id.clone() })));
    for chat in [&group, &channel] {
        assert_eq!(owner.get(&chat.id).await.unwrap().join_request_count, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_from_now_on_is_told_how_many_wait_and_who_does_no_longer_that_none_do() {
    let bed = Bed::new().await;
    let (ada, bob, carl, guest) = (bed.person(), bed.person(), bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[bob, carl]).await;
    let promote = |role| owner.role(&chat.id, bob, role);
    for role in [pb::ChatRole::Admin, pb::ChatRole::Member] {
        promote(role).await.unwrap();
    }
    assert!(told(&bed, bob).is_empty(), "nobody waits, and that is known");
    let code = owner.invite(&chat.id, 0, true).await.unwrap().code;
    bed.client(1, guest).join(&code).await.unwrap();
    for (role, count) in [(pb::ChatRole::Admin, 1), (pb::ChatRole::Member, 0)] {
        promote(role).await.unwrap();
        assert_eq!(last_told(&bed, bob), (ada.to_string(), counted(&chat.id, count)));
        assert_eq!(bed.client(1, bob).get(&chat.id).await.unwrap().join_request_count, count);
    }
    let news = told(&bed, ada).len();
    owner.transfer(&chat.id, carl).await.unwrap();
    assert_eq!(last_told(&bed, carl), (ada.to_string(), counted(&chat.id, 1)));
    assert_eq!(told(&bed, ada).len(), news, "who owned it still answers");

    owner.leave(&chat.id).await.unwrap();
    bed.client(1, guest).join(&code).await.unwrap();
    reject(&bed.client(1, carl), &chat.id, guest).await.unwrap();
    assert_eq!(last_told(&bed, carl), ended(&chat.id, carl, guest, 0));
    assert_eq!(told(&bed, ada).len(), news, "who has left hears nothing");
    assert_eq!(told(&bed, bob).len(), 2, "nor does who is no longer an admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_and_answer_at_once_each_count_is_what_the_names_make() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[bob]).await;
    owner.role(&chat.id, bob, pb::ChatRole::Admin).await.unwrap();
    let code = owner.invite(&chat.id, 0, true).await.unwrap().code;
    let guests: Vec<_> = (0..30).map(|_| bed.person()).collect();
    let asks = guests.iter().enumerate().map(|(number, guest)| {
        let (bed, chat_id, code) = (&bed, &chat.id, &code);
        async move {
            bed.client(number % 2, *guest).join(code).await.unwrap();
            let answers = [bed.client(0, ada), bed.client(1, bob)];
            match number % 3 {
                0 => {}
                1 => {
                    let (one, two) =
                        join(accept(&answers[0], chat_id, *guest), accept(&answers[1], chat_id, *guest)).await;
                    one.and(two).unwrap();
                }
                _ => {
                    let (one, two) =
                        join(reject(&answers[0], chat_id, *guest), reject(&answers[1], chat_id, *guest)).await;
                    assert_eq!([one, two].iter().filter(|rejected| rejected.is_ok()).count(), 1);
                }
            }
        }
    });
    join_all(asks).await;
    for answerer in [ada, bob] {
        let mut waiting = BTreeSet::new();
        for (_, changed) in told(&bed, answerer) {
            if !changed.added_user_id.is_empty() {
                assert!(waiting.insert(changed.added_user_id), "nobody begins to wait twice");
            }
            for user_id in &changed.removed_user_ids {
                assert!(waiting.remove(user_id), "nobody ends who does not wait");
            }
            assert_eq!(changed.join_request_count as usize, waiting.len());
        }
        assert_eq!(waiting, guests.iter().step_by(3).map(UserId::to_string).collect());
    }
    assert_eq!(owner.get(&chat.id).await.unwrap().join_request_count, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_stands_while_nobody_can_be_told_and_is_told_later() {
    let bed = Bed::new().await;
    let (ada, guest) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[]).await;
    let code = owner.invite(&chat.id, 0, true).await.unwrap().code;
    let expected = [asked(&bed, &chat.id, guest, 1), ended(&chat.id, ada, guest, 0)];
    bed.neighbours.set_appends(Appends::Down);
    assert!(bed.client(1, guest).join(&code).await.unwrap().is_waiting);
    reject(&owner, &chat.id, guest).await.unwrap();
    assert_eq!(refusal(&reject(&owner, &chat.id, guest).await), "JOIN_REQUEST_NOT_FOUND");
    bed.neighbours.set_appends(Appends::Answered);
    bed.clock.advance(Duration::from_secs(60));
    eventually(PATIENCE, || async { told(&bed, ada).len() == 2 }).await;
    assert_eq!(told(&bed, ada), expected);
}
