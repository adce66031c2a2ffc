use godwit_contract::chat::v1 as api;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService as _;
use godwit_contract::chat::v1::direct_chat_internal_service_server::DirectChatInternalService as _;
use godwit_contract::chat::v1::listener_internal_service_server::ListenerInternalService as _;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, SystemClock, SystemEntropy};
use tonic::{Code, Request};

use crate::harness::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_of_members_only() {
    let bed = Bed::new().await;
    let (ada, bob, eve) = (bed.person(), bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    let nowhere = ChatId::generate(&SystemClock, &SystemEntropy).to_string();
    let rights = [
        pb::ChatRight::Read,
        pb::ChatRight::Post,
        pb::ChatRight::React,
        pb::ChatRight::Pin,
        pb::ChatRight::DeleteAny,
        pb::ChatRight::SeeReceipts,
        pb::ChatRight::ListMembers,
    ];
    let member = api::GetPostingPolicyResponse {
        is_member: true,
        may_post: true,
        membership_version: 1,
        kind: pb::ChatKind::Direct.into(),
        rights: rights.map(Into::into).to_vec(),
        member_count: 2,
        ..Default::default()
    };
    for (chat_id, user_id, expected) in [
        (&chat.id, ada, member.clone()),
        (&chat.id, bob, member),
        (&chat.id, eve, api::GetPostingPolicyResponse::default()),
        (&nowhere, ada, api::GetPostingPolicyResponse::default()),
    ] {
        let request = api::GetPostingPolicyRequest { chat_id: chat_id.clone(), user_id: user_id.to_string() };
        let answer = bed.replicas[1].server.get_posting_policy(Request::new(request)).await.unwrap();
        assert_eq!(answer.into_inner(), expected);
    }
    let garbage = api::GetPostingPolicyRequest { chat_id: "x".to_owned(), user_id: ada.to_string() };
    let refused = bed.replicas[0].server.get_posting_policy(Request::new(garbage)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_ids_and_peers_are_paged_in_id_order() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let (mut chats, mut peers) = (Vec::new(), Vec::new());
    for number in 0..7 {
        let peer = bed.person();
        // Either may have made it.
        let chat = match number % 2 {
            0 => bed.client(0, ada).create(peer).await.unwrap(),
            _ => bed.client(0, peer).create(ada).await.unwrap(),
        };
        chats.push(chat.id);
        peers.push(peer.to_string());
    }
    chats.sort();
    peers.sort();
    let server = &bed.replicas[0].server;
    let (mut seen_chats, mut seen_peers) = (Vec::new(), Vec::new());
    for page in 0..3 {
        let after_chat_id = seen_chats.last().cloned().unwrap_or_default();
        let request = api::ListChatIdsRequest { user_id: ada.to_string(), after_chat_id, limit: 3 };
        let answer = server.list_chat_ids(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(answer.has_more, page < 2);
        seen_chats.extend(answer.chat_ids);

        let after_user_id = seen_peers.last().cloned().unwrap_or_default();
        let request = api::ListDirectPeersRequest { user_id: ada.to_string(), after_user_id, limit: 3 };
        let answer = server.list_direct_peers(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(answer.has_more, page < 2);
        seen_peers.extend(answer.user_ids);
    }
    assert_eq!((seen_chats, seen_peers), (chats, peers));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_listed_with_the_kind_of_their_chat() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    let mut expected = vec![ada.to_string(), bob.to_string()];
    expected.sort();
    let list = |chat_id: String, after_user_id: String, limit| {
        let request = api::ListMembersRequest { chat_id, after_user_id, limit };
        bed.replicas[0].server.list_members(Request::new(request))
    };
    let all = list(chat.id.clone(), String::new(), 0).await.unwrap().into_inner();
    assert_eq!((all.kind(), all.has_more, &all.user_ids), (pb::ChatKind::Direct, false, &expected));
    let first = list(chat.id.clone(), String::new(), 1).await.unwrap().into_inner();
    assert_eq!((first.has_more, first.user_ids.as_slice()), (true, &expected[..1]));
    let second = list(chat.id, expected[0].clone(), 1).await.unwrap().into_inner();
    assert_eq!((second.has_more, second.user_ids.as_slice()), (false, &expected[1..]));
    let nowhere = ChatId::generate(&SystemClock, &SystemEntropy).to_string();
    let none = list(nowhere, String::new(), 0).await.unwrap().into_inner();
    assert_eq!((none.kind(), none.user_ids.len()), (pb::ChatKind::Unspecified, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_tells_what_a_group_lets_each_do() {
    let bed = Bed::new().await;
    let (owner, member) = (bed.person(), bed.person());
    let client = bed.client(0, owner);
    let chat = client.group(&[member]).await;
    let request = api::UpdateChatRequest { chat_id: chat.id.clone(), slow_mode_secs: Some(30), ..Default::default() };
    client.update_chat(request).await.unwrap();
    let policy = async |user_id: godwit_kernel::UserId| {
        let request = api::GetPostingPolicyRequest { chat_id: chat.id.clone(), user_id: user_id.to_string() };
        bed.replicas[1].server.get_posting_policy(Request::new(request)).await.unwrap().into_inner()
    };
    let (of_owner, of_member) = (policy(owner).await, policy(member).await);
    assert_eq!((of_owner.slow_mode_secs, of_member.slow_mode_secs), (0, 30), "owners skip it");
    assert_eq!((of_member.kind(), of_member.member_count, of_member.may_post), (pb::ChatKind::Group, 2, true));
    assert_eq!(of_member.membership_version, 2, "slow mode takes something away");
    assert!(of_owner.rights().any(|right| right == pb::ChatRight::DeleteChat));

    let admins = Some(pb::WhoMayPost::Admins.into());
    let request = api::UpdateChatRequest { chat_id: chat.id.clone(), who_may_post: admins, ..Default::default() };
    client.update_chat(request).await.unwrap();
    let of_member = policy(member).await;
    assert_eq!((of_member.may_post, of_member.refusal()), (false, api::PostingRefusal::Unspecified));
    assert!(policy(owner).await.may_post);

    let channel = client.channel("a_public_one").await;
    let request = api::GetPostingPolicyRequest { chat_id: channel.id, user_id: owner.to_string() };
    let answer = bed.replicas[1].server.get_posting_policy(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((answer.is_public, answer.kind()), (true, pb::ChatKind::Channel));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_direct_chat_of_two_is_found_from_either_side() {
    let bed = Bed::new().await;
    let (ada, bob, eve) = (bed.person(), bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    for (user_id, peer_id, expected) in
        [(ada, bob, chat.id.as_str()), (bob, ada, chat.id.as_str()), (ada, eve, ""), (ada, ada, "")]
    {
        let request = api::GetDirectChatRequest { user_id: user_id.to_string(), peer_id: peer_id.to_string() };
        let answer = bed.replicas[1].server.get_direct_chat(Request::new(request)).await.unwrap();
        assert_eq!(answer.into_inner().chat_id, expected);
    }
    let malformed = api::GetDirectChatRequest { user_id: ada.to_string(), peer_id: "x".to_owned() };
    let refused = bed.replicas[1].server.get_direct_chat(Request::new(malformed)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_messages_are_opened_once_for_whoever_asks() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let open = |replica: usize| {
        let request = api::OpenSavedMessagesRequest { user_id: ada.to_string() };
        bed.replicas[replica].server.open_saved_messages(Request::new(request))
    };
    for opened in futures_util::future::join_all((0..10).map(|number| open(number % 2))).await {
        opened.unwrap();
    }
    assert_eq!(bed.neighbours.log_of(&ada.to_string()).len(), 1, "its log has begun, once");
    let saved = bed.client(0, ada).get_saved_messages(api::GetSavedMessagesRequest {}).await.unwrap().chat.unwrap();
    assert_eq!((saved.id, saved.kind), (ada.to_string(), pb::ChatKind::Saved.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audience_of_a_chat_is_its_members_and_who_of_them_muted_it() {
    let bed = Bed::new().await;
    let (ada, bob, cem, eve) = (bed.person(), bed.person(), bed.person(), bed.person());
    let group = bed.client(0, ada).group(&[bob, cem]).await;
    let direct = bed.client(0, ada).create(eve).await.unwrap();
    bed.client(0, bob).mute_chat(api::MuteChatRequest { chat_id: group.id.clone(), until: None }).await.unwrap();
    let nowhere = ChatId::generate(&SystemClock, &SystemEntropy).to_string();
    let everybody: Vec<String> = [ada, bob, cem, eve, bob].iter().map(ToString::to_string).collect();
    let asked = async || {
        let queries = [&group.id, &direct.id, &nowhere];
        let queries = queries.map(|chat| api::ListenerQuery { chat_id: chat.clone(), user_ids: everybody.clone() });
        let request = Request::new(api::CheckListenersRequest { queries: queries.to_vec() });
        let chats = bed.replicas[1].server.check_listeners(request).await.unwrap().into_inner().chats;
        let members = |chat: &api::ChatListeners| {
            let members = chat.members.iter().map(|member| (member.user_id.clone(), member.is_muted));
            members.collect::<std::collections::BTreeMap<_, _>>()
        };
        chats.iter().map(|chat| (chat.chat_id.clone(), members(chat))).collect::<std::collections::BTreeMap<_, _>>()
    };
    let of = |members: &[(godwit_kernel::UserId, bool)]| {
        members.iter().map(|(user_id, is_muted)| (user_id.to_string(), *is_muted)).collect()
    };
    let expected = [
        (group.id.clone(), of(&[(ada, false), (bob, true), (cem, false)])),
        (direct.id.clone(), of(&[(ada, false), (eve, false)])),
    ];
    assert_eq!(asked().await, expected.into());

    bed.client(0, ada).remove(&group.id, cem).await.unwrap();
    let expected =
        [(group.id.clone(), of(&[(ada, false), (bob, true)])), (direct.id.clone(), of(&[(ada, false), (eve, false)]))];
    assert_eq!(asked().await, expected.into());
}
