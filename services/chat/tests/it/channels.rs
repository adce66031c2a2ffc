//! Channels: public by handle, private by invite, and quiet about who reads them.

use futures_util::future::join_all;
use godwit_contract::chat::v1 as api;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService as _;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use tonic::Request;

use crate::harness::{Bed, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_public_channel_is_found_by_its_handle_in_any_case() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let channel = bed.client(0, ada).channel("Rust_News").await;
    assert_eq!((channel.kind(), channel.info.clone().unwrap().handle.as_str()), (pb::ChatKind::Channel, "rust_news"));
    assert_eq!(channel.info.clone().unwrap().who_may_post(), pb::WhoMayPost::Admins);
    let reader = bed.client(1, bob);
    let found = reader.get_channel(api::GetChannelRequest { handle: "RUST_news".to_owned() }).await.unwrap();
    assert_eq!((found.chat_id.as_str(), found.subscriber_count, found.is_subscribed), (channel.id.as_str(), 1, false));
    assert_eq!(refusal(&reader.get(&channel.id).await), "CHAT_NOT_FOUND", "seeing is not being in it");
    let request = api::GetPostingPolicyRequest { chat_id: channel.id, user_id: bob.to_string() };
    let policy = bed.replicas[1].server.get_posting_policy(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(policy, api::GetPostingPolicyResponse { is_public: true, ..Default::default() });
    for unknown in ["rust_old", "x", "a b", ""] {
        let request = api::GetChannelRequest { handle: unknown.to_owned() };
        assert_eq!(refusal(&reader.get_channel(request).await), "CHAT_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_is_of_one_channel_also_when_several_want_it_at_once() {
    let bed = Bed::new().await;
    let asks = (0..8).map(|number| {
        let client = bed.client(number % 2, bed.person());
        let handle = if number % 2 == 0 { "first_come" } else { "FIRST_COME" }.to_owned();
        let request = api::CreateChannelRequest { title: "A channel".to_owned(), handle, ..Default::default() };
        async move { client.create_channel(request).await }
    });
    let answers = join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| answer.is_ok() || refusal(answer) == "HANDLE_TAKEN"));

    let client = bed.client(0, bed.person());
    let private = client.channel("").await;
    let rename = |handle: &str| api::UpdateChatRequest {
        chat_id: private.id.clone(),
        handle: Some(handle.to_owned()),
        ..Default::default()
    };
    assert_eq!(refusal(&client.update_chat(rename("first_come")).await), "HANDLE_TAKEN");
    assert_eq!(refusal(&client.update_chat(rename("god_wit")).await), "HANDLE_RESERVED");
    assert_eq!(refusal(&client.update_chat(rename("a b")).await), "INVALID_ARGUMENT");
    client.update_chat(rename("Second")).await.unwrap();
    let version = bed.neighbours.version_of(&private.id);
    assert_eq!(version, 1, "to be found takes nothing away");
    client.update_chat(rename("")).await.unwrap();
    assert_eq!(bed.neighbours.version_of(&private.id), 2, "to be hidden does");
    // A handle that is free again, by hiding or by deletion, is another's.
    let others = bed.client(0, bed.person()).channel("second").await;
    let groups = api::UpdateChatRequest { chat_id: others.id, slow_mode_secs: Some(5), ..Default::default() };
    assert_eq!(refusal(&client.update_chat(groups.clone()).await), "CHAT_NOT_FOUND");
    let groups = api::UpdateChatRequest { chat_id: private.id.clone(), ..groups };
    assert_eq!(refusal(&client.update_chat(groups).await), "WRONG_CHAT_KIND");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_and_goes_is_told_to_nobody_but_themselves() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let channel = bed.client(0, ada).channel("the_news").await;
    let mut gateway = bed.gateway_of(bob).await;
    let reader = bed.client(1, bob);
    for _ in 0..2 {
        let seen = reader.follow(&channel.id).await.unwrap();
        assert_eq!((seen.member_count, seen.my_role()), (2, pb::ChatRole::Member));
        let rights: Vec<_> = seen.my_rights().collect();
        assert_eq!(rights, [pb::ChatRight::Read, pb::ChatRight::React]);
    }
    assert_eq!(bed.neighbours.log_of(&channel.id).len(), 1, "the channel's log does not tell");
    let [joined] = bed.neighbours.raises_of(&channel.id).try_into().unwrap();
    assert_eq!((joined.joined_user_ids, joined.membership_version), (vec![bob.to_string()], 1));
    assert_eq!(gateway.told_to_follow().await, [channel.id.as_str()]);
    let own = bed.neighbours.changes_of(&bob.to_string());
    assert_eq!(own[1..], [Change::ChatJoined(pb::ChatJoined { chat_id: channel.id.clone() })]);
    assert_eq!(gateway.told_to_follow().await, [bob.to_string()], "their own log has begun");

    reader.unsubscribe(api::UnsubscribeRequest { chat_id: channel.id.clone() }).await.unwrap();
    let [_, left] = bed.neighbours.raises_of(&channel.id).try_into().unwrap();
    assert_eq!((left.left_user_ids, left.membership_version), (vec![bob.to_string()], 2));
    assert_eq!(gateway.told_to_stop().await, [channel.id.as_str()]);
    assert_eq!(bed.neighbours.log_of(&channel.id).len(), 1);
    assert_eq!(refusal(&reader.get(&channel.id).await), "CHAT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_subscribe_at_once_are_all_in_and_counted() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let channel = bed.client(0, ada).channel("crowded").await;
    let people: Vec<_> = (0..40).map(|_| bed.person()).collect();
    let asks = people.iter().enumerate().map(|(number, person)| {
        let client = bed.client(number % 2, *person);
        let chat_id = channel.id.clone();
        async move {
            client.follow(&chat_id).await.unwrap();
            if number % 4 == 0 {
                client.unsubscribe(api::UnsubscribeRequest { chat_id }).await.unwrap();
            }
        }
    });
    join_all(asks).await;
    assert_eq!(bed.client(0, ada).get(&channel.id).await.unwrap().member_count, 31);
    assert_eq!(bed.neighbours.version_of(&channel.id), 11);
    let mut told: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    for raise in bed.neighbours.raises_of(&channel.id) {
        told.extend(raise.joined_user_ids);
        for user_id in raise.left_user_ids {
            told.remove(&user_id);
        }
    }
    let rest = people.iter().enumerate().filter(|(number, _)| number % 4 > 0);
    assert_eq!(told, rest.map(|(_, person)| person.to_string()).collect(), "message knows who reads it");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_from_a_channel_cannot_subscribe() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let channel = owner.channel("no_bobs").await;
    let reader = bed.client(1, bob);
    reader.follow(&channel.id).await.unwrap();
    owner.ban(&channel.id, bob).await.unwrap();
    assert_eq!(refusal(&reader.follow(&channel.id).await), "BANNED");
    assert_eq!(bed.neighbours.log_of(&channel.id).len(), 1, "the channel's log does not tell");
    owner.unban(&channel.id, bob).await.unwrap();
    reader.follow(&channel.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admins_of_a_channel_are_told_to_all_as_they_come_and_go() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let channel = owner.channel("with_admins").await;
    bed.client(1, bob).follow(&channel.id).await.unwrap();
    owner.role(&channel.id, bob, pb::ChatRole::Admin).await.unwrap();
    bed.client(1, bob).leave(&channel.id).await.unwrap();
    let roles: Vec<_> = bed.neighbours.changes_of(&channel.id)[1..]
        .iter()
        .map(|change| {
            let Change::RolesChanged(changed) = change else { panic!("another change: {change:?}") };
            (changed.members[0].user_id.clone(), changed.members[0].role())
        })
        .collect();
    assert_eq!(roles, [(bob.to_string(), pb::ChatRole::Admin), (bob.to_string(), pb::ChatRole::Member)]);
    assert_eq!(bed.neighbours.raises_of(&channel.id).last().unwrap().left_user_ids, [bob.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_channel_is_joined_by_invite_alone() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let channel = owner.channel("").await;
    let reader = bed.client(1, bob);
    assert_eq!(refusal(&reader.follow(&channel.id).await), "CHAT_NOT_FOUND");
    let code = owner.invite(&channel.id, 0, false).await.unwrap().code;
    assert_eq!(reader.join(&code).await.unwrap().chat.unwrap().id, channel.id);
    assert_eq!(bed.neighbours.raises_of(&channel.id)[0].joined_user_ids, [bob.to_string()]);
    let list = |chat_id: &str| api::ListSubscribersRequest { chat_id: chat_id.to_owned(), ..Default::default() };
    assert_eq!(owner.list_subscribers(list(&channel.id)).await.unwrap().subscribers.len(), 2);
    assert_eq!(refusal(&reader.list_subscribers(list(&channel.id)).await), "CHAT_RIGHT_MISSING");
    let group = owner.group(&[]).await;
    assert_eq!(refusal(&owner.list_subscribers(list(&group.id)).await), "WRONG_CHAT_KIND");
}
