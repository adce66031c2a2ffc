//! Invites and those who wait to be let in.

use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::chat::v1 as api;
use godwit_contract::v1::update::Change;
use godwit_kernel::Clock as _;
use godwit_rpc::timestamp;

use crate::harness::{Bed, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_code_sees_the_chat_and_comes_in() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[]).await;
    let invite = owner.invite(&chat.id, 0, false).await.unwrap();
    assert_eq!((invite.code.len(), invite.created_by_id), (22, ada.to_string()));
    let guest = bed.client(1, bob);
    let seen = guest.get_invite(api::GetInviteRequest { code: invite.code.clone() }).await.unwrap();
    assert_eq!((seen.title.as_str(), seen.member_count, seen.is_member), ("A group", 1, false));
    for _ in 0..2 {
        let joined = guest.join(&invite.code).await.unwrap();
        assert!(!joined.is_waiting && joined.chat.unwrap().member_count == 2);
    }
    let Some(Change::MembersAdded(added)) = bed.neighbours.changes_of(&chat.id).pop() else { panic!("not added") };
    assert_eq!(added.members[0].user_id, bob.to_string());
    assert_eq!(bed.neighbours.log_of(&chat.id)[1].update.clone().unwrap().actor_id, bob.to_string());
    let list = api::ListInvitesRequest { chat_id: chat.id.clone() };
    assert_eq!(owner.list_invites(list).await.unwrap().invites[0].use_count, 1);
    for unknown in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", &"é".repeat(11)] {
        assert_eq!(refusal(&guest.join(unknown).await), "INVITE_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_as_many_come_in_as_the_invite_says() {
    let bed = Bed::new().await;
    let owner = bed.client(0, bed.person());
    let chat = owner.group(&[]).await;
    let code = owner.invite(&chat.id, 7, false).await.unwrap().code;
    let guests: Vec<_> = (0..50).map(|number| bed.client(number % 2, bed.person())).collect();
    let answers = join_all(guests.iter().map(|guest| guest.join(&code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7);
    assert!(answers.iter().all(|answer| answer.is_ok() || refusal(answer) == "INVITE_NOT_FOUND"));
    assert_eq!(owner.members(&chat.id).await.unwrap().len(), 8);
    // Who came in by the last use asks again, as after a lost answer.
    for (guest, answer) in guests.iter().zip(&answers) {
        assert_eq!(refusal(&guest.join(&code).await), refusal(answer));
    }
    assert_eq!(bed.number("SELECT use_count FROM invites").await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_ends_at_its_instant_or_when_it_is_revoked() {
    let bed = Bed::new().await;
    let owner = bed.client(0, bed.person());
    let chat = owner.group(&[]).await;
    let now = bed.clock.now();
    let terms = |pause: time::Duration| api::CreateInviteRequest {
        chat_id: chat.id.clone(),
        expires_at: Some(timestamp(now + pause)),
        ..Default::default()
    };
    for pause in [time::Duration::ZERO, time::Duration::seconds(59), time::Duration::days(367), -time::Duration::DAY] {
        assert_eq!(refusal(&owner.create_invite(terms(pause)).await), "INVALID_ARGUMENT");
    }
    let many = api::CreateInviteRequest { uses_max: 100_001, expires_at: None, ..terms(time::Duration::HOUR) };
    assert_eq!(refusal(&owner.create_invite(many).await), "INVALID_ARGUMENT");
    let code = owner.create_invite(terms(time::Duration::HOUR)).await.unwrap().invite.unwrap().code;
    bed.clock.advance(Duration::from_secs(3_599));
    bed.client(1, bed.person()).join(&code).await.unwrap();
    bed.clock.advance(Duration::from_secs(1));
    let late = bed.client(1, bed.person());
    assert_eq!(refusal(&late.join(&code).await), "INVITE_NOT_FOUND");
    assert_eq!(refusal(&late.get_invite(api::GetInviteRequest { code }).await), "INVITE_NOT_FOUND");

    let [one, two] = [(); 2].map(|()| owner.invite(&chat.id, 0, false));
    let (one, two) = (one.await.unwrap().code, two.await.unwrap().code);
    let list = || owner.list_invites(api::ListInvitesRequest { chat_id: chat.id.clone() });
    assert_eq!(list().await.unwrap().invites.len(), 2, "what is over is not listed");
    let revoke = |code: &str| api::RevokeInvitesRequest { chat_id: chat.id.clone(), code: code.to_owned() };
    owner.revoke_invites(revoke(&one)).await.unwrap();
    assert_eq!(refusal(&late.join(&one).await), "INVITE_NOT_FOUND");
    late.get_invite(api::GetInviteRequest { code: two.clone() }).await.unwrap();
    // Of another chat's admin it means nothing.
    let other = bed.client(0, bed.person());
    let others = other.group(&[]).await;
    let foreign = api::RevokeInvitesRequest { chat_id: others.id, code: two.clone() };
    other.revoke_invites(foreign).await.unwrap();
    late.get_invite(api::GetInviteRequest { code: two.clone() }).await.unwrap();
    owner.revoke_invites(revoke("")).await.unwrap();
    assert_eq!(refusal(&late.join(&two).await), "INVITE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_has_a_hundred_valid_invites_at_most() {
    let bed = Bed::new().await;
    let owner = bed.client(0, bed.person());
    let chat = owner.group(&[]).await;
    let made = join_all((0..104).map(|_| owner.invite(&chat.id, 1, false))).await;
    let made: Vec<_> = made.into_iter().filter_map(|made| made.ok()).collect();
    assert_eq!(made.len(), 100);
    assert_eq!(refusal(&owner.invite(&chat.id, 0, false).await), "TOO_MANY_INVITES");
    bed.client(1, bed.person()).join(&made[0].code).await.unwrap();
    owner.invite(&chat.id, 0, false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_approval_waits_for_it() {
    let bed = Bed::new().await;
    let (bob, carl) = (bed.person(), bed.person());
    let owner = bed.client(0, bed.person());
    let chat = owner.group(&[]).await;
    let code = owner.invite(&chat.id, 2, true).await.unwrap().code;
    let guests = [bed.client(1, bob), bed.client(1, carl)];
    for guest in &guests {
        for _ in 0..2 {
            let answer = guest.join(&code).await.unwrap();
            assert!(answer.is_waiting && answer.chat.is_none());
        }
        bed.clock.advance(Duration::from_secs(1));
        assert_eq!(refusal(&guest.get(&chat.id).await), "CHAT_NOT_FOUND");
    }
    assert_eq!(refusal(&bed.client(0, bed.person()).join(&code).await), "INVITE_NOT_FOUND", "each asked once");
    assert_eq!(owner.get(&chat.id).await.unwrap().join_request_count, 2);
    let list = |limit, cursor| api::ListJoinRequestsRequest { chat_id: chat.id.clone(), limit, cursor };
    let first = owner.list_join_requests(list(1, String::new())).await.unwrap();
    assert_eq!(first.requests[0].user.clone().unwrap().id, bob.to_string(), "the oldest first");
    let second = owner.list_join_requests(list(1, first.next_cursor)).await.unwrap();
    assert_eq!(second.requests[0].user.clone().unwrap().id, carl.to_string());
    assert_eq!(second.next_cursor, "");

    let accept =
        |user_id: &str| api::AcceptJoinRequestRequest { chat_id: chat.id.clone(), user_id: user_id.to_owned() };
    for _ in 0..2 {
        owner.accept_join_request(accept(&bob.to_string())).await.unwrap();
    }
    assert_eq!(guests[0].get(&chat.id).await.unwrap().join_request_count, 0, "that is for who may answer");
    let reject = || api::RejectJoinRequestRequest { chat_id: chat.id.clone(), user_id: carl.to_string() };
    owner.reject_join_request(reject()).await.unwrap();
    assert_eq!(refusal(&owner.reject_join_request(reject()).await), "JOIN_REQUEST_NOT_FOUND");
    let other = bed.client(1, bed.person());
    assert!(other.join(&code).await.unwrap().is_waiting, "who is not let in has not used it");
    assert_eq!(refusal(&bed.client(1, bed.person()).join(&code).await), "INVITE_NOT_FOUND");
    assert_eq!(refusal(&owner.accept_join_request(accept(&carl.to_string())).await), "JOIN_REQUEST_NOT_FOUND");
    assert_eq!(bed.neighbours.log_of(&chat.id).len(), 2);
    assert_eq!(owner.get(&chat.id).await.unwrap().join_request_count, 1);
}
