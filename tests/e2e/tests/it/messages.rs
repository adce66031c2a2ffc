//! What can be done to a message, from one gateway to the other, and what a deletion leaves.

use std::time::Duration;

use godwit_contract::message::v1::{GetMessageHistoryResponse, GetMessageResponse};
use godwit_contract::search::v1::SearchMessagesResponse;
use godwit_contract::v1::client_frame::Frame as Said;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{DeleteMessageFrame, EditMessageFrame, ReactFrame, ReadFrame};
use godwit_testkit::eventually;
use serde_json::{Value, json};

use crate::support::{Encoding, Pair, dump, separate, unique};

#[tokio::test]
async fn edits_reactions_and_cursors_reach_the_other_gateway() {
    let pair = Pair::create(separate().await).await;
    let Pair { ada, bob, chat_id } = &pair;
    let mut adas = ada.connect(Encoding::Binary).await;
    let mut bobs = bob.connect(Encoding::Json).await;
    let sent = ada.send(chat_id, "1", "helo").await;
    assert_eq!(bobs.message(chat_id).await, sent);

    let text = "hello".to_owned();
    let edit = EditMessageFrame { message_id: sent.id.clone(), text, ..EditMessageFrame::default() };
    adas.send("e", Said::EditMessage(edit)).await;
    let Frame::Ack(ack) = adas.answer("e").await else { panic!("no ack") };
    let edited = ack.message.unwrap();
    assert_eq!((edited.text.as_str(), edited.edit_count), ("hello", 1));
    let update = bobs.update(chat_id).await;
    let Some(Change::MessageEdited(told)) = update.change else { panic!("{update:?}") };
    assert_eq!(told.message.unwrap().text, "hello");

    bobs.send("r", Said::React(ReactFrame { message_id: sent.id.clone(), emoji: "👍".to_owned() })).await;
    assert!(matches!(bobs.answer("r").await, Frame::Done(_)));
    let reacted = adas
        .until("reaction", |frame| match frame.frame {
            Some(Frame::Update(update)) => match update.change {
                Some(Change::ReactionsChanged(changed)) => Some((update.actor_id, changed)),
                _ => None,
            },
            _ => None,
        })
        .await;
    assert_eq!((reacted.0.as_str(), reacted.1.emoji.as_str()), (bob.user_id.as_str(), "👍"));

    bobs.send("c", Said::Read(ReadFrame { chat_id: chat_id.clone(), seq: edited.seq })).await;
    assert!(matches!(bobs.answer("c").await, Frame::Done(_)));
    let message: GetMessageResponse = bob.rest.get(&format!("/messages/{}", sent.id)).await.ok();
    let message = message.message.unwrap();
    assert_eq!((message.my_reaction.as_str(), message.reactions[0].count), ("👍", 1));
    let history: GetMessageHistoryResponse = bob.rest.get(&format!("/messages/{}/history", sent.id)).await.ok();
    let texts: Vec<&str> = history.versions.iter().map(|version| version.text.as_str()).collect();
    assert_eq!(texts, ["helo", "hello"]);
}

#[tokio::test]
async fn a_deleted_text_is_nowhere_but_in_the_stream() {
    let cluster = separate().await;
    let pair = Pair::create(cluster).await;
    let Pair { ada, bob, chat_id } = &pair;
    let mut bobs = bob.connect(Encoding::Json).await;
    let mark = unique("quicksilver");
    let sent = ada.send(chat_id, "1", &format!("{mark} secret")).await;
    let edit = json!({"text": format!("{mark} mended")});
    ada.rest.patch(&format!("/messages/{}", sent.id), edit).await.ok::<Value>();
    let reply = json!({"client_message_id": "2", "text": "really?", "reply_to_message_id": sent.id});
    bob.rest.post(&format!("/chats/{chat_id}/messages"), reply).await.created::<Value>();
    let find = async || -> usize {
        let found: SearchMessagesResponse = bob.rest.get(&format!("/search/messages?q={mark}")).await.ok();
        found.messages.len()
    };
    eventually(Duration::from_secs(30), || async { find().await == 1 }).await;
    assert!(dump(cluster.database_url()).contains(&mark), "it is there before");

    let delete = DeleteMessageFrame { message_id: sent.id.clone(), is_for_me_only: false };
    let mut adas = ada.connect(Encoding::Binary).await;
    adas.send("d", Said::DeleteMessage(delete)).await;
    assert!(matches!(adas.answer("d").await, Frame::Done(_)));
    assert_eq!(bob.rest.get(&format!("/messages/{}", sent.id)).await.problem(404), "MESSAGE_NOT_FOUND");
    let log = serde_json::to_string(&bob.whole_log(chat_id).await).unwrap();
    assert!(!log.contains(&mark), "{log}");
    bobs.until("deletion", |frame| match frame.frame {
        Some(Frame::Update(update)) => match update.change {
            Some(Change::MessageDeleted(deleted)) => (deleted.message_id == sent.id).then_some(()),
            _ => None,
        },
        _ => None,
    })
    .await;
    eventually(Duration::from_secs(30), || async { find().await == 0 }).await;
    let rows = dump(cluster.database_url());
    let digits: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    for trace in [mark, digits] {
        assert!(!rows.contains(&trace), "{trace} is in the database");
    }
}
