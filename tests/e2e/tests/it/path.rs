//! The whole way from nothing to a message on the other side.

use godwit_contract::chat::v1::{GetChatResponse, ListChatsResponse};
use godwit_contract::message::v1::{ListMessagesResponse, SyncChatResponse, SyncResponse};
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{Message, Update};
use godwit_testkit::{Shape, TestCluster};
use serde_json::json;

use crate::support::{Account, Encoding, Pair, Rest, embedded, separate};

#[tokio::test]
async fn two_people_meet_and_talk_in_one_embedded_process() {
    two_people_meet_and_talk(embedded().await).await;
}

#[tokio::test]
async fn two_people_meet_and_talk_in_one_process_on_the_full_stack() {
    two_people_meet_and_talk(&TestCluster::start(Shape::FullStack).await).await;
}

#[tokio::test]
async fn two_people_meet_and_talk_over_two_gateways_and_separate_services() {
    two_people_meet_and_talk(separate().await).await;
}

async fn two_people_meet_and_talk(cluster: &TestCluster) {
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    assert_eq!(bob.chat_with(&ada).await.id, chat_id, "the chat is the same whoever asks");

    // Live, by REST and by both kinds of sockets, at both gateways.
    let mut bobs_json = bob.connect(Encoding::Json).await;
    let mut bobs_binary = bob.connect_at(cluster.gateway(), Encoding::Binary).await;
    let by_rest = ada.send(&chat_id, "by-rest", "Hello, Bob 👋").await;
    for socket in [&mut bobs_json, &mut bobs_binary] {
        assert_eq!(socket.message(&chat_id).await, by_rest);
    }
    let mut sent = vec![by_rest];
    for encoding in [Encoding::Json, Encoding::Binary] {
        let mut adas = ada.connect(encoding).await;
        let client_message_id = format!("by-{encoding:?}");
        adas.send_message("7", &chat_id, &client_message_id, "Are you there?").await;
        let Frame::Ack(ack) = adas.answer("7").await else { panic!("the message was not acknowledged") };
        let message = ack.message.expect("the ack has the message");
        assert_eq!(
            (message.client_message_id.as_str(), message.sender_id.as_str()),
            (&*client_message_id, &*ada.user_id)
        );
        for socket in [&mut bobs_json, &mut bobs_binary] {
            assert_eq!(socket.message(&chat_id).await, message);
        }
        sent.push(message);
    }
    let seqs: Vec<u64> = sent.iter().map(|message| message.seq).collect();
    assert!(seqs.is_sorted_by(|a, b| b - a == 1), "messages follow each other: {seqs:?}");

    // Back, to her own other device too.
    let mut adas_tablet =
        Account::log_in(cluster.other_gateway(), &ada.username, &ada.email).await.connect(Encoding::Json).await;
    let answer = bob.send(&chat_id, "answer", "I am.").await;
    assert_eq!(adas_tablet.message(&chat_id).await, answer);
    sent.push(answer);

    // Bob goes, and comes back later: each way to catch up tells the same story.
    let begin: SyncResponse = bob.rest.post("/sync", json!({})).await.ok();
    drop((bobs_json, bobs_binary));
    for number in 0..5 {
        sent.push(ada.send(&chat_id, &format!("while-away-{number}"), "Still there?").await);
    }
    let missed = &sent[4..];
    let account_sync = sync_account(&bob.rest, &begin.next_cursor).await;
    assert!(account_sync.ends_with(missed), "{account_sync:?}");
    let log = bob.whole_log(&chat_id).await;
    assert!(matches!(log[0].change, Some(Change::ChatCreated(_))), "a chat begins with its creation: {:?}", log[0]);
    assert_eq!(messages(&log), sent);
    let after = sent[3].seq;
    let tail: SyncChatResponse = bob.rest.get(&format!("/chats/{chat_id}/sync?after_seq={after}")).await.ok();
    assert_eq!(messages(&tail.chat.unwrap().updates), missed);

    // History, newest first and in pages; single messages; the chat list.
    let newest: ListMessagesResponse = ada.rest.get(&format!("/chats/{chat_id}/messages?limit=3")).await.ok();
    assert!(newest.has_more);
    assert!(newest.messages.iter().eq(sent.iter().rev().take(3)));
    let before = newest.messages[2].seq;
    let older: ListMessagesResponse =
        ada.rest.get(&format!("/chats/{chat_id}/messages?before_seq={before}&limit=200")).await.ok();
    assert!(!older.has_more);
    assert!(older.messages.iter().eq(sent.iter().rev().skip(3)));
    let one: godwit_contract::message::v1::GetMessageResponse =
        bob.rest.get(&format!("/messages/{}", sent[0].id)).await.ok();
    assert_eq!(one.message.as_ref(), Some(&sent[0]));
    let chats: ListChatsResponse = bob.rest.get("/chats").await.ok();
    assert_eq!(chats.chats.len(), 1);
    assert_eq!(chats.chats[0].last_message.as_ref(), sent.last());
    assert_eq!(chats.chats[0].peer.as_ref().unwrap().id, ada.user_id);
    let chat: GetChatResponse = ada.rest.get(&format!("/v1/chats/{chat_id}")).await.ok();
    assert_eq!(chat.chat.unwrap().seq, sent.last().unwrap().seq);
}

/// Follows the account cursor to its end. An update may come in two answers, and some from just before the cursor.
async fn sync_account(rest: &Rest, cursor: &str) -> Vec<Message> {
    let mut cursor = cursor.to_owned();
    let mut seen: Vec<Message> = Vec::new();
    loop {
        let page: SyncResponse = rest.post("/sync", json!({"cursor": cursor, "limit": 2})).await.ok();
        assert!(!page.reset);
        for chat in page.chats {
            let fresh = messages(&chat.updates).into_iter().filter(|message| !seen.contains(message));
            seen.extend(fresh.collect::<Vec<_>>());
        }
        if !page.has_more {
            return seen;
        }
        cursor = page.next_cursor;
    }
}

fn messages(updates: &[Update]) -> Vec<Message> {
    let created = updates.iter().filter_map(|update| match &update.change {
        Some(Change::MessageCreated(created)) => created.message.clone(),
        _ => None,
    });
    created.collect()
}
