use std::collections::BTreeSet;

use futures_util::future::join_all;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use tonic::Code;

use crate::harness::{Bed, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_chat_is_the_same_whoever_asks() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let adas = bed.client(0, ada).create(bob).await.unwrap();
    let bobs = bed.client(1, bob).create(ada).await.unwrap();
    assert_eq!(adas.id, bobs.id);
    assert_eq!(adas.peer.unwrap().username, format!("name-{bob}"));
    assert_eq!(bobs.peer.unwrap().username, format!("name-{ada}"));
    assert_eq!((adas.kind, adas.seq, adas.epoch.as_str()), (pb::ChatKind::Direct.into(), 1, "epoch"));
    assert_eq!(bed.neighbours.log_of(&adas.id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_both_ask_at_once_there_is_one_chat_with_one_beginning() {
    let bed = Bed::new().await;
    for _ in 0..15 {
        let (ada, bob) = (bed.person(), bed.person());
        let asks = (0..12).map(|number| {
            let (caller, peer) = if number % 2 == 0 { (ada, bob) } else { (bob, ada) };
            let client = bed.client(number / 2 % 2, caller);
            async move { client.create(peer).await.unwrap().id }
        });
        let ids: BTreeSet<String> = join_all(asks).await.into_iter().collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(bed.neighbours.log_of(ids.first().unwrap()).len(), 1);
    }
    assert_eq!(bed.number("SELECT count(*) FROM chats").await, 15);
    assert_eq!(bed.number("SELECT count(*) FROM members").await, 30);
    assert_eq!(bed.number("SELECT count(*) FROM pending_updates").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_begins_with_who_made_the_chat_and_who_is_in_it() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, bob).create(ada).await.unwrap();
    let [append] = bed.neighbours.log_of(&chat.id).try_into().unwrap();
    assert_eq!(append.membership_version, 1);
    let update = append.update.unwrap();
    assert_eq!(update.actor_id, bob.to_string());
    let Some(Change::ChatCreated(created)) = update.change else { panic!("another change") };
    assert_eq!(created.kind(), pb::ChatKind::Direct);
    assert_eq!(created.member_ids.into_iter().collect::<BTreeSet<_>>(), [ada.to_string(), bob.to_string()].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_of_both_follow_the_chat_at_once() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let mut gateways = [bed.gateway_of(ada).await, bed.gateway_of(bob).await];
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    for gateway in &mut gateways {
        assert_eq!(gateway.told_to_follow().await, [chat.id.as_str()]);
    }
    bed.client(0, ada).create(bob).await.unwrap();
    assert!(gateways[1].was_told_nothing(), "a chat that is there is not joined again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_with_oneself_a_stranger_or_nobody_is_refused() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let client = bed.client(0, ada);
    let stranger = UserId::generate(&SystemClock, &SystemEntropy).to_string();
    for (peer, code, name) in [
        (ada.to_string(), Code::InvalidArgument, "DIRECT_CHAT_WITH_ONESELF"),
        (stranger, Code::NotFound, "USER_NOT_FOUND"),
        ("nobody".to_owned(), Code::InvalidArgument, "INVALID_ARGUMENT"),
        (String::new(), Code::InvalidArgument, "INVALID_ARGUMENT"),
    ] {
        let refused = client.create(&peer).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (code, name), "{peer}");
    }
    assert_eq!(bed.number("SELECT count(*) FROM chats").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_chat_does_not_exist() {
    let bed = Bed::new().await;
    let (ada, bob, eve) = (bed.person(), bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    assert_eq!(bed.client(1, bob).get(&chat.id).await.unwrap().id, chat.id);
    let refused = bed.client(0, eve).get(&chat.id).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "CHAT_NOT_FOUND"));
    assert_eq!(bed.client(0, eve).get("x").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_outlives_the_account_of_its_peer() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    let gone = pb::User { id: bob.to_string(), is_deleted: true, ..pb::User::default() };
    bed.neighbours.delete_user(bob);
    assert_eq!(bed.client(0, ada).get(&chat.id).await.unwrap().peer.unwrap(), gone);
    assert_eq!(bed.client(0, ada).create(bob).await.unwrap().peer.unwrap(), gone);
    bed.neighbours.remove_user(bob);
    assert_eq!(bed.client(0, ada).get(&chat.id).await.unwrap().peer.unwrap(), gone);

    // With nobody is a chat begun.
    let carl = bed.person();
    bed.neighbours.delete_user(carl);
    let refused = bed.client(0, ada).create(carl).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "USER_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_to_a_person_begins_no_chat_and_keeps_the_one_there_is() {
    let bed = Bed::new().await;
    for name in ["BLOCKED", "PRIVACY"] {
        let (ada, bob) = (bed.person(), bed.person());
        bed.neighbours.refuse(ada, bob, name);
        let refused = bed.client(0, ada).create(bob).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, name));
        assert_eq!(bed.number("SELECT count(*) FROM chats").await, i64::from(name == "PRIVACY"));

        // Bob may: then there is one, and Ada has it, too.
        let chat = bed.client(1, bob).create(ada).await.unwrap();
        assert_eq!(bed.client(0, ada).create(bob).await.unwrap().id, chat.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_auth_cannot_be_asked_nobody_begins_a_chat() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    bed.neighbours.set_auth_down(true);
    let refused = bed.client(0, ada).create(bob).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "AUTH_SERVICE_UNAVAILABLE"));
    bed.neighbours.set_auth_down(false);
    bed.client(0, ada).create(bob).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_shown_as_the_caller_may_see_them() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    let seen = [bed.client(0, ada).get(&chat.id).await.unwrap(), bed.client(0, bob).get(&chat.id).await.unwrap()];
    let avatars = seen.map(|chat| chat.peer.unwrap().avatar_media_id);
    assert_eq!(avatars, [format!("of-{bob}-for-{ada}"), format!("of-{ada}-for-{bob}")]);
}
