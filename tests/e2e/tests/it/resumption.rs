//! Who was away for a moment, and comes back to any gateway, gets everything that was missed by one request.

use std::collections::BTreeMap;

use godwit_contract::call::v1::CreateCallResponse;
use godwit_contract::message::v1::SyncResponse;
use godwit_contract::v1::server_frame::Frame;
use godwit_testkit::{Shape, TestCluster};
use serde_json::{Value, json};

use crate::support::{Account, Encoding, Pair, fresh_uuid};

/// More than a page of those who were away for long.
const MESSAGES: usize = 1_500;

async fn write(pair: &Pair) {
    let mut socket = pair.ada.connect(Encoding::Binary).await;
    for number in 0..MESSAGES {
        let id = number.to_string();
        socket.send_message(&id, &pair.chat_id, &format!("m{number}"), &format!("message {number}")).await;
    }
    let mut missing = MESSAGES;
    while missing > 0 {
        let acks = |frame: godwit_contract::v1::ServerFrame| matches!(frame.frame, Some(Frame::Ack(_))).then_some(());
        socket.until("an ack", acks).await;
        missing -= 1;
    }
}

#[tokio::test]
async fn who_comes_back_gets_everything_by_one_request_though_a_gateway_or_calls_are_gone() {
    let mut cluster = TestCluster::start(Shape::Separate).await;
    who_comes_back_to_another_gateway_gets_everything(&mut cluster).await;
    cluster.start_again("gateway-2").await;
    the_log_is_given_though_nobody_can_tell_what_is_not_in_it(&mut cluster).await;
}

async fn who_comes_back_to_another_gateway_gets_everything(cluster: &mut TestCluster) {
    let pair = Pair::create(cluster).await;
    let mut bobs = pair.bob.connect(Encoding::Json).await;
    let begun: SyncResponse = pair.bob.rest.post("/sync", json!({})).await.ok();
    cluster.kill("gateway-2");
    bobs.closed().await;

    write(&pair).await;
    let elsewhere = Account::log_in(cluster.gateway(), &pair.bob.username, &pair.bob.email).await;
    let draft = json!({"text": "I was about to say"});
    elsewhere.rest.put(&format!("/chats/{}/draft", pair.chat_id), draft).await.ok::<Value>();
    let call = json!({"callee_id": pair.bob.user_id, "media": "CALL_MEDIA_VOICE", "call_id": fresh_uuid()});
    let call: CreateCallResponse = pair.ada.rest.post("/calls", call).await.created();

    let back = pair.bob.rest.at(cluster.gateway());
    let resume = json!({"cursor": begun.next_cursor, "limit": 10_000, "with_state": true});
    let answer: SyncResponse = back.post("/sync", resume.clone()).await.ok();
    assert!(!answer.has_more && !answer.reset);
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    for chat in &answer.chats {
        let seqs: Vec<u64> = chat.updates.iter().map(|update| update.seq).collect();
        assert!(seqs.is_sorted_by(|a, b| a + 1 == *b), "without gap or repeat: {seqs:?}");
        for update in &chat.updates {
            if let Some(godwit_contract::v1::update::Change::MessageCreated(created)) = &update.change {
                *texts.entry(created.message.as_ref().unwrap().text.clone()).or_default() += 1;
            }
        }
    }
    assert_eq!(texts.len(), MESSAGES);
    assert!(texts.values().all(|times| *times == 1));
    let state = answer.state.unwrap();
    let drafts: Vec<_> = state.drafts.iter().map(|draft| (draft.chat_id.as_str(), draft.text.as_str())).collect();
    assert_eq!(drafts, [(pair.chat_id.as_str(), "I was about to say")]);
    assert_eq!(state.calls.first().map(|ringing| &ringing.id), call.call.as_ref().map(|call| &call.id));

    // What is over is not told again.
    let gone = elsewhere.rest.delete(&format!("/chats/{}/draft", pair.chat_id)).await;
    gone.ok::<Value>();
    let cancel = pair.ada.rest.post(&format!("/calls/{}/cancel", call.call.unwrap().id), json!({})).await;
    cancel.ok::<Value>();
    let state = back.post("/sync", resume).await.ok::<SyncResponse>().state.unwrap();
    assert!(state.drafts.is_empty() && state.calls.is_empty(), "{state:?}");
}

async fn the_log_is_given_though_nobody_can_tell_what_is_not_in_it(cluster: &mut TestCluster) {
    let pair = Pair::create(cluster).await;
    let begun: SyncResponse = pair.bob.rest.post("/sync", json!({})).await.ok();
    pair.ada.send(&pair.chat_id, "m1", "still here").await;
    cluster.kill("call-signaling");
    let resume = json!({"cursor": begun.next_cursor, "with_state": true});
    let answer: SyncResponse = pair.bob.rest.post("/sync", resume).await.ok();
    assert_eq!(answer.state, None);
    assert!(answer.chats.iter().any(|chat| chat.chat_id == pair.chat_id && !chat.updates.is_empty()));
}
