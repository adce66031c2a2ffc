//! Groups and channels through the gateways: who hears what, and who no longer.

use std::time::Duration;

use godwit_contract::chat::v1::{
    AddMembersResponse, CreateChannelResponse, CreateGroupResponse, CreateInviteResponse, GetChatResponse,
    JoinByInviteResponse, ListChatsResponse,
};
use godwit_contract::message::v1::SyncResponse;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Chat, ChatKind, JoinRequestsChanged, RemovalCause, Update};
use godwit_testkit::{TestCluster, eventually};
use serde_json::json;

use crate::support::{Account, Encoding, Socket, connect_sdk, embedded, separate, unique};

/// In which a change that others are told of comes into their logs.
const PATIENCE: Duration = Duration::from_secs(30);

/// The owner at the first gateway, the members in turn at the other and the first.
struct Group {
    owner: Account,
    members: Vec<Account>,
    chat_id: String,
}

impl Group {
    async fn create(cluster: &TestCluster, names: &[&str]) -> Self {
        let owner = Account::create_at(cluster.gateway(), cluster.mailbox(), "owner").await;
        let mut members = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let gateway = if place % 2 == 0 { cluster.other_gateway() } else { cluster.gateway() };
            members.push(Account::create_at(gateway, cluster.mailbox(), name).await);
        }
        let ids: Vec<&str> = members.iter().map(|member| member.user_id.as_str()).collect();
        let body = json!({"title": "Garden", "member_ids": ids, "client_chat_id": "garden"});
        let created: CreateGroupResponse = owner.rest.post("/chats/group", body.clone()).await.created();
        assert!(created.refused.is_empty(), "{created:?}");
        let chat = created.chat.expect("the group is returned");
        let again: CreateGroupResponse = owner.rest.post("/chats/group", body).await.created();
        assert_eq!(again.chat.expect("the group is returned").id, chat.id, "the same client_chat_id");
        Self { owner, members, chat_id: chat.id }
    }
}

async fn chat(person: &Account, chat_id: &str) -> Chat {
    person.rest.get(&format!("/chats/{chat_id}")).await.ok::<GetChatResponse>().chat.expect("the chat is returned")
}

#[tokio::test]
async fn a_group_hears_its_members_at_both_gateways() {
    let cluster = separate().await;
    let Group { owner, members, chat_id } = Group::create(cluster, &["ada", "bob"]).await;
    let mut sockets = Vec::new();
    for person in &members {
        sockets.push(person.connect(Encoding::Json).await);
    }
    let sent = owner.send(&chat_id, "1", "welcome").await;
    for socket in &mut sockets {
        assert_eq!(socket.message(&chat_id).await, sent);
    }
    let group = chat(&members[0], &chat_id).await;
    assert_eq!((group.kind(), group.member_count, group.unread_count), (ChatKind::Group, 3, 1));
    members[0]
        .rest
        .post(&format!("/chats/{chat_id}/read"), json!({"seq": sent.seq.to_string()}))
        .await
        .ok::<serde_json::Value>();
    assert_eq!(chat(&members[0], &chat_id).await.unread_count, 0);
    let update = sockets[1].update(&chat_id).await;
    assert_eq!(update.actor_id, members[0].user_id);
    let Some(Change::ReceiptAdvanced(advanced)) = update.change else { panic!("{update:?}") };
    assert_eq!(advanced.read_seq, sent.seq);
}

/// How somebody gets out of a group.
#[derive(Clone, Copy, Debug)]
enum Exit {
    Removed,
    Banned,
    Left,
    Deleted,
}

impl Exit {
    async fn take(self, group: &Group) {
        let (chat_id, leaver) = (&group.chat_id, &group.members[0]);
        let answer = match self {
            Self::Removed => group.owner.rest.delete(&format!("/chats/{chat_id}/members/{}", leaver.user_id)).await,
            Self::Banned => {
                group.owner.rest.post(&format!("/chats/{chat_id}/bans/{}", leaver.user_id), json!({})).await
            }
            Self::Left => leaver.rest.post(&format!("/chats/{chat_id}/leave"), json!({})).await,
            Self::Deleted => group.owner.rest.delete(&format!("/chats/{chat_id}")).await,
        };
        answer.ok::<serde_json::Value>();
    }

    const fn cause(self) -> RemovalCause {
        match self {
            Self::Removed => RemovalCause::Removed,
            Self::Banned => RemovalCause::Banned,
            Self::Left => RemovalCause::Left,
            Self::Deleted => RemovalCause::ChatDeleted,
        }
    }
}

#[tokio::test]
async fn who_is_out_of_a_group_is_out_when_the_call_returns_in_one_process() {
    for exit in [Exit::Removed, Exit::Banned, Exit::Left, Exit::Deleted] {
        assert_out(embedded().await, exit).await;
    }
}

#[tokio::test]
async fn who_is_out_of_a_group_is_out_when_the_call_returns_in_separate_processes() {
    for exit in [Exit::Removed, Exit::Banned, Exit::Left, Exit::Deleted] {
        assert_out(separate().await, exit).await;
    }
}

async fn assert_out(cluster: &TestCluster, exit: Exit) {
    let group = Group::create(cluster, &["leaver", "stayer"]).await;
    let Group { owner, members, chat_id } = &group;
    let (leaver, stayer) = (&members[0], &members[1]);
    let cursor: SyncResponse = leaver.rest.post("/sync", json!({})).await.ok();
    // Everybody has posted, so that everything is cached that may be.
    for (number, person) in [owner, leaver, stayer].into_iter().enumerate() {
        person.send(chat_id, &format!("before-{number}"), "before").await;
    }
    let mut socket = leaver.connect(Encoding::Binary).await;
    let elsewhere = leaver.chat_with(stayer).await.id;

    exit.take(&group).await;
    assert_eq!(leaver.try_send(chat_id, "after", "after").await.problem(404), "CHAT_NOT_FOUND", "{exit:?}");
    for path in ["", "/messages", "/sync", "/members", "/pins"] {
        let reason = leaver.rest.get(&format!("/chats/{chat_id}{path}")).await.problem(404);
        assert_eq!(reason, "CHAT_NOT_FOUND", "{exit:?} {path}");
    }
    if !matches!(exit, Exit::Deleted) {
        owner.send(chat_id, "secret", "secret").await;
    }
    // What comes in another chat afterwards would come behind it.
    let marker = stayer.send(&elsewhere, "marker", "marker").await;
    assert_hears_no_secret(&mut socket, chat_id, &marker.text).await;

    let mut synced: SyncResponse = leaver.rest.post("/sync", json!({"cursor": cursor.next_cursor})).await.ok();
    let mut left = None;
    loop {
        for update in synced.chats.iter().flat_map(|chat| &chat.updates) {
            assert_ne!(&update.chat_id, chat_id, "{exit:?}");
            if let Some(Change::ChatLeft(told)) = &update.change {
                left = Some((update.chat_id.clone(), told.chat_id.clone(), told.cause()));
            }
        }
        if !synced.has_more {
            break;
        }
        synced = leaver.rest.post("/sync", json!({"cursor": synced.next_cursor})).await.ok();
    }
    let expected = (leaver.user_id.clone(), chat_id.clone(), exit.cause());
    assert_eq!(left, Some(expected), "{exit:?}: their own log says so, for devices that were away");
}

/// Reads until the marker has come.
async fn assert_hears_no_secret(socket: &mut Socket, chat_id: &str, marker: &str) {
    let heard = socket
        .until("marker", {
            let mut heard = Vec::new();
            move |frame| {
                use godwit_contract::v1::server_frame::Frame;
                let Some(Frame::Update(update)) = frame.frame else { return None };
                if let Some(Change::MessageCreated(created)) = &update.change {
                    let message = created.message.clone().expect("the update has the message");
                    if message.text == marker {
                        return Some(std::mem::take(&mut heard));
                    }
                    heard.push((update.chat_id, message.text));
                }
                None
            }
        })
        .await;
    assert!(!heard.contains(&(chat_id.to_owned(), "secret".to_owned())), "{heard:?}");
}

#[tokio::test]
async fn a_channel_is_read_by_who_subscribes_and_written_by_its_owner() {
    let cluster = separate().await;
    let owner = Account::create_at(cluster.gateway(), cluster.mailbox(), "owner").await;
    let reader = Account::create_at(cluster.other_gateway(), cluster.mailbox(), "reader").await;
    let handle = unique("news_");
    let body = json!({"title": "News", "handle": handle});
    let created: CreateChannelResponse = owner.rest.post("/channels", body).await.created();
    let chat_id = created.chat.expect("the channel is returned").id;
    let mut socket = reader.connect(Encoding::Json).await;
    assert_eq!(reader.rest.get(&format!("/chats/{chat_id}")).await.problem(404), "CHAT_NOT_FOUND");
    reader.rest.get(&format!("/channels/{handle}")).await.ok::<serde_json::Value>();
    let log_before = owner.whole_log(&chat_id).await.len();
    reader.rest.post(&format!("/channels/{chat_id}/subscribe"), json!({})).await.ok::<serde_json::Value>();
    assert_eq!(owner.whole_log(&chat_id).await.len(), log_before, "a subscriber makes no update");
    let sent = owner.send(&chat_id, "1", "news").await;
    assert_eq!(socket.message(&chat_id).await, sent);
    reader.rest.post(&format!("/chats/{chat_id}/read"), json!({"seq": sent.seq})).await.ok::<serde_json::Value>();
    assert_eq!(owner.whole_log(&chat_id).await.len(), log_before + 1, "nor does how far they have read");
    let seen: GetChatResponse = owner.rest.get(&format!("/chats/{chat_id}")).await.ok();
    let seen = seen.chat.expect("the channel is returned");
    assert_eq!((seen.receipts.len(), seen.seq), (0, sent.seq));
    assert_eq!(reader.try_send(&chat_id, "2", "me too").await.problem(403), "POSTING_NOT_ALLOWED");
    reader.rest.delete(&format!("/channels/{chat_id}/subscribe")).await.ok::<serde_json::Value>();
    owner.send(&chat_id, "3", "secret").await;
    let elsewhere = reader.chat_with(&owner).await.id;
    let marker = owner.send(&elsewhere, "marker", "marker").await;
    assert_hears_no_secret(&mut socket, &chat_id, &marker.text).await;
}

#[tokio::test]
async fn invites_let_people_in_up_to_their_number() {
    let cluster = embedded().await;
    let Group { owner, chat_id, .. } = Group::create(cluster, &["ada"]).await;
    let invited: CreateInviteResponse =
        owner.rest.post(&format!("/chats/{chat_id}/invites"), json!({"uses_max": 1})).await.created();
    let code = invited.invite.expect("the invite is returned").code;
    let guest = Account::create(cluster, "guest").await;
    let late = Account::create(cluster, "late").await;
    let joined: JoinByInviteResponse = guest.rest.post(&format!("/invites/{code}/join"), json!({})).await.ok();
    assert_eq!(joined.chat.expect("the chat is returned").member_count, 3);
    late.rest.post(&format!("/invites/{code}/join"), json!({})).await.problem(404);
    guest.send(&chat_id, "1", "hello").await;
}

/// What an update tells of join requests.
fn of_requests(update: Update) -> Option<JoinRequestsChanged> {
    match update.change {
        Some(Change::JoinRequestsChanged(changed)) => Some(changed),
        _ => None,
    }
}

/// What comes next of them in somebody's own log.
async fn heard_of_requests(socket: &mut Socket, person: &Account) -> JoinRequestsChanged {
    loop {
        if let Some(changed) = of_requests(socket.update(&person.user_id).await) {
            return changed;
        }
    }
}

#[tokio::test]
async fn who_answers_join_requests_hears_of_them_at_once_or_when_they_are_back() {
    let cluster = separate().await;
    let Group { owner, members, chat_id } = Group::create(cluster, &["admin", "member"]).await;
    let (admin, member) = (&members[0], &members[1]);
    let path = format!("/chats/{chat_id}/members/{}", admin.user_id);
    owner.rest.patch(&path, json!({"role": "CHAT_ROLE_ADMIN"})).await.ok::<serde_json::Value>();
    for person in [&owner, admin, member] {
        // It begins their own log.
        person.rest.get("/chats/saved").await.ok::<serde_json::Value>();
    }
    let invited: CreateInviteResponse =
        owner.rest.post(&format!("/chats/{chat_id}/invites"), json!({"needs_approval": true})).await.created();
    let code = invited.invite.expect("the invite is returned").code;
    let guest = Account::create(cluster, "guest").await;
    let mut socket = admin.connect(Encoding::Json).await;
    let asked: JoinByInviteResponse = guest.rest.post(&format!("/invites/{code}/join"), json!({})).await.ok();
    assert!(asked.is_waiting, "{asked:?}");
    let added = heard_of_requests(&mut socket, admin).await;
    assert_eq!((&added.chat_id, &added.added_user_id, added.join_request_count), (&chat_id, &guest.user_id, 1));
    assert_eq!(chat(admin, &chat_id).await.join_request_count, 1);
    let path = format!("/chats/{chat_id}/join-requests/{}/accept", guest.user_id);
    owner.rest.post(&path, json!({})).await.ok::<serde_json::Value>();
    let ended = heard_of_requests(&mut socket, admin).await;
    assert_eq!((ended.removed_user_ids.as_slice(), ended.join_request_count), ([guest.user_id.clone()].as_slice(), 0));

    // Nobody waits for what others are told, so it may come behind the answer.
    let log = async |person: &Account| -> Vec<JoinRequestsChanged> {
        person.whole_log(&person.user_id).await.into_iter().filter_map(of_requests).collect()
    };
    eventually(PATIENCE, || async { log(&owner).await.len() == 2 }).await;
    assert_eq!(log(&owner).await, [added, ended]);
    assert!(log(member).await.is_empty(), "that is for who may answer");
}

#[tokio::test]
async fn history_from_before_a_member_came_is_hidden_when_the_group_says_so() {
    let cluster = embedded().await;
    let Group { owner, members, chat_id } = Group::create(cluster, &["ada"]).await;
    owner
        .rest
        .patch(&format!("/chats/{chat_id}"), json!({"is_history_visible": false}))
        .await
        .ok::<serde_json::Value>();
    let old = owner.send(&chat_id, "old", "before your time").await;
    let late = Account::create(cluster, "late").await;
    let added: AddMembersResponse =
        owner.rest.post(&format!("/chats/{chat_id}/members"), json!({"user_ids": [late.user_id]})).await.ok();
    assert_eq!(added.added.len(), 1, "{added:?}");
    let new = owner.send(&chat_id, "new", "welcome").await;
    assert_eq!(late.rest.get(&format!("/messages/{}", old.id)).await.problem(404), "MESSAGE_NOT_FOUND");
    let history = late.rest.get(&format!("/chats/{chat_id}/messages")).await;
    let history: godwit_contract::message::v1::ListMessagesResponse = history.ok();
    assert_eq!(history.messages, [new]);
    let page = late.rest.get(&format!("/chats/{chat_id}/sync")).await;
    let page = page.ok::<godwit_contract::message::v1::SyncChatResponse>().chat.expect("a page is returned");
    assert!(page.reset, "the log before is not for them: {page:?}");
    let snapshot = chat(&late, &chat_id).await;
    assert_eq!(snapshot.unread_count, 1);

    // What is told of it later, the others hear at once and in full; who came later, that it was.
    let mut sockets = Vec::new();
    for encoding in [godwit_client::Encoding::Json, godwit_client::Encoding::Binary] {
        sockets.push(connect_sdk(cluster.gateway(), &members[0], encoding).await);
    }
    let (_connection, mut later) = connect_sdk(cluster.gateway(), &late, godwit_client::Encoding::Json).await;
    let edit = json!({"text": "before your time, too"});
    owner.rest.patch(&format!("/messages/{}", old.id), edit).await.ok::<serde_json::Value>();
    for (_connection, events) in &mut sockets {
        assert_eq!(edit_of(events, &old.id).await, "before your time, too");
    }
    assert_eq!(edit_of(&mut later, &old.id).await, "");
}

/// What a message says once its edit is told.
async fn edit_of(events: &mut godwit_client::Events, message_id: &str) -> String {
    let told = async {
        loop {
            let Some(godwit_client::Event::Update(update)) = events.next().await else { continue };
            if let Some(Change::MessageEdited(edited)) = update.change {
                let message = edited.message.unwrap();
                assert_eq!(message.id, message_id);
                return message.text;
            }
        }
    };
    // Less than the time after which a client asks of itself.
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("the edit is told")
}

#[tokio::test]
async fn lists_of_chats_have_the_newest_message_first_and_keep_the_archived_apart() {
    let cluster = embedded().await;
    let ada = Account::create(cluster, "ada").await;
    let mut chats = Vec::new();
    for name in ["one", "two", "three"] {
        let other = Account::create(cluster, name).await;
        let chat_id = ada.chat_with(&other).await.id;
        other.send(&chat_id, "1", name).await;
        chats.push(chat_id);
    }
    ada.send(&chats[0], "2", "newest").await;
    let list = async |query: &str| -> Vec<String> {
        let answer: ListChatsResponse = ada.rest.get(&format!("/chats{query}")).await.ok();
        answer.chats.into_iter().filter(|chat| chat.kind() == ChatKind::Direct).map(|chat| chat.id).collect()
    };
    let expected = [chats[0].clone(), chats[2].clone(), chats[1].clone()];
    assert_eq!(list("").await, expected);
    ada.rest.post(&format!("/chats/{}/archive", chats[2]), json!({})).await.ok::<serde_json::Value>();
    assert_eq!(list("").await, [chats[0].clone(), chats[1].clone()]);
    assert_eq!(list("?is_archived=true").await, [chats[2].clone()]);
}
