use std::sync::atomic::Ordering;

use godwit_contract::v1::client_frame::Frame as Said;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{ClientFrame, SendMessageFrame};
use godwit_kernel::{MessageId, Seq};
use godwit_testkit::eventually;
use serde_json::json;

use crate::stage::{Client, SOON, Stage, chat, somebody};

#[tokio::test]
async fn a_message_is_acknowledged_under_its_frame_id() {
    let stage = Stage::start().await;
    let caller = somebody();
    let room = chat();
    let mut client = stage.connect(&caller).await;
    let message = json!({"chat_id": room.to_string(), "client_message_id": "c1", "text": "hello"});
    client.say(json!({"id": "7", "send_message": message})).await;
    let answer = client.frame().await;
    let Some(Frame::Ack(ack)) = answer.frame else { panic!("{answer:?}") };
    let message = ack.message.unwrap();
    assert_eq!((answer.id.as_str(), message.text.as_str(), message.seq), ("7", "hello", 1));
    assert_eq!(message.sender_id, caller.user_id.to_string());
}

#[tokio::test]
async fn both_subprotocols_do_the_same() {
    let stage = Stage::start().await;
    let bearer = format!("Bearer {}", stage.token(&somebody()));
    let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "godwit.v1.proto")];
    let mut client = Client::open(stage.address, "/ws/me", &headers).await;
    client.connected().await;
    let said = SendMessageFrame {
        chat_id: chat().to_string(),
        client_message_id: "c1".to_owned(),
        text: "hello".to_owned(),
        ..SendMessageFrame::default()
    };
    client.say_binary(&ClientFrame { id: "7".to_owned(), frame: Some(Said::SendMessage(said)) }).await;
    let answer = client.frame().await;
    assert!(matches!(answer.frame, Some(Frame::Ack(_))), "{answer:?}");
    client.say_text("{}").await;
    assert_eq!(client.error().await.1, "WRONG_FRAME_TYPE");
}

#[tokio::test]
async fn bad_frames_are_answered_and_the_socket_stays() {
    let stage = Stage::start().await;
    let mut client = stage.connect(&somebody()).await;
    let room = chat();
    for (text, id, reason) in [
        ("{".to_owned(), "", "MALFORMED_FRAME"),
        (r#"{"id":"1","nope":{}}"#.to_owned(), "1", "UNKNOWN_FRAME"),
        (r#"{"id":"1","pong":7}"#.to_owned(), "1", "MALFORMED_FRAME"),
        (r#"{"id":"2"}"#.to_owned(), "2", "UNKNOWN_FRAME"),
        (r#"{"id":"3","send_message":{"chat_id":"x"}}"#.to_owned(), "3", "INVALID_ARGUMENT"),
        (format!(r#"{{"id":"4","send_message":{{"chat_id":"{room}"}}}}"#), "4", "INVALID_ARGUMENT"),
        (r#"{"id":"5","sync":{}}"#.to_owned(), "5", "INVALID_ARGUMENT"),
        (r#"{"id":"6","sync":{"cursors":[{"chat_id":"x"}]}}"#.to_owned(), "6", "INVALID_ARGUMENT"),
        (format!(r#"{{"id":"{}"}}"#, "x".repeat(65)), "", "INVALID_ARGUMENT"),
    ] {
        client.say_text(&text).await;
        let (told_id, told_reason, status) = client.error().await;
        assert_eq!((told_id.as_str(), told_reason.as_str(), status), (id, reason, 400), "{text}");
    }
    let many: Vec<_> = (0..101).map(|_| json!({"chat_id": room.to_string()})).collect();
    client.say(json!({"id": "7", "sync": {"cursors": many}})).await;
    assert_eq!(client.error().await.1, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn every_cursor_of_a_sync_is_answered() {
    let stage = Stage::start().await;
    let mut client = stage.connect(&somebody()).await;
    let chats = [chat(), chat(), chat()];
    let cursors: Vec<_> = (10..)
        .zip(chats)
        .map(|(seq, chat)| json!({"chat_id": chat.to_string(), "after_seq": seq.to_string(), "epoch": "e"}))
        .collect();
    client.say(json!({"id": "s", "sync": {"cursors": cursors}})).await;
    for (seq, chat) in (11..).zip(chats) {
        let answer = client.frame().await;
        let Some(Frame::Synced(synced)) = answer.frame else { panic!("{answer:?}") };
        assert_eq!((answer.id.as_str(), synced.chat_id, synced.head_seq), ("s", chat.to_string(), seq));
        assert_eq!(synced.epoch, "e");
    }
}

/// Its answers are large: of one connection one frame is worked on, and of all together no more calls than of those who catch
/// up by HTTPS.
#[tokio::test]
async fn syncs_of_a_connection_go_one_after_the_other_and_share_the_room_of_all() {
    let stage = Stage::with(&["--gateway-max-syncs=2"]).await;
    let asked = || stage.services.syncs_asked.load(Ordering::Relaxed);
    let sync = |id: &str, count: usize| {
        let cursors: Vec<_> = (0..count).map(|_| json!({"chat_id": chat().to_string(), "epoch": "wait"})).collect();
        json!({"id": id, "sync": {"cursors": cursors}})
    };
    let (mut one, mut other) = (stage.connect(&somebody()).await, stage.connect(&somebody()).await);
    one.say(sync("1", 1)).await;
    one.say(sync("2", 3)).await;
    eventually(SOON, || async { asked() == 1 }).await;
    other.say(sync("3", 3)).await;
    eventually(SOON, || async { asked() == 2 }).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(asked(), 2, "the second frame waits for the first, and the third call for room");
    stage.services.syncs.add_permits(7);
    for id in ["1", "2", "2", "2"] {
        assert_eq!(one.frame().await.id, id);
    }
    for _ in 0..3 {
        assert!(matches!(other.frame().await.frame, Some(Frame::Synced(_))));
    }
}

#[tokio::test]
async fn messages_to_one_chat_keep_their_order_and_other_chats_do_not_wait() {
    let stage = Stage::start().await;
    let mut client = stage.connect(&somebody()).await;
    let (held, free) = (chat().to_string(), chat().to_string());
    let say = |id: &str, chat: &str, text: &str| json!({"id": id, "send_message": {"chat_id": chat, "client_message_id": id, "text": text}});
    client.say(say("1", &held, "wait")).await;
    client.say(say("2", &held, "second")).await;
    client.say(say("3", &held, "")).await;
    client.say(say("4", &held, "fourth")).await;
    client.say(say("5", &free, "other")).await;
    assert_eq!(client.frame().await.id, "5");
    stage.services.sends.add_permits(1);
    for (id, is_refused) in [("1", false), ("2", false), ("3", true), ("4", false)] {
        let answer = client.frame().await;
        assert_eq!((answer.id.as_str(), matches!(answer.frame, Some(Frame::Error(_)))), (id, is_refused));
    }
    let texts: Vec<_> = stage.services.sent.lock().iter().map(|sent| sent.text.clone()).collect();
    assert_eq!(texts, ["other", "wait", "second", "fourth"]);
    // What came while the first was being sent went together.
    let mut bunches = stage.services.bunches.lock().clone();
    bunches.sort_unstable();
    assert_eq!(bunches, [1, 1, 3]);
}

#[tokio::test]
async fn what_one_connection_has_pending_is_bounded() {
    let stage = Stage::start().await;
    let mut client = stage.connect(&somebody()).await;
    for number in 0..100 {
        let id = number.to_string();
        let message = json!({"chat_id": chat().to_string(), "client_message_id": id, "text": "wait"});
        client.say(json!({"id": id, "send_message": message})).await;
    }
    // 64 wait at the service; the rest was not even read, so the frame after them is not answered.
    client.say(json!({"id": "last"})).await;
    stage.services.sends.add_permits(64);
    eventually(SOON, || async { stage.services.sent.lock().len() == 64 }).await;
    stage.services.sends.add_permits(36);
    let mut acknowledged = 0;
    loop {
        match client.frame().await.frame {
            Some(Frame::Ack(_)) => acknowledged += 1,
            Some(Frame::Error(_)) if acknowledged >= 37 => break,
            other => panic!("after {acknowledged} acknowledgements: {other:?}"),
        }
    }
}

#[tokio::test]
async fn messages_and_cursors_are_changed_by_frames() {
    let stage = Stage::start().await;
    let mut client = stage.connect(&somebody()).await;
    let room = chat();
    let message = MessageId { chat_id: room, seq: Seq::new(7).unwrap() };
    let (room, message) = (room.to_string(), message.to_string());
    client.say(json!({"id": "1", "edit_message": {"message_id": message, "text": "new"}})).await;
    let answer = client.frame().await;
    let Some(Frame::Ack(ack)) = answer.frame else { panic!("{answer:?}") };
    assert_eq!((answer.id.as_str(), ack.message.unwrap().text.as_str()), ("1", "new"));
    for (id, frame) in [
        ("2", json!({"delete_message": {"message_id": message, "is_for_me_only": true}})),
        ("3", json!({"react": {"message_id": message, "emoji": "👍"}})),
        ("4", json!({"react": {"message_id": message}})),
        ("5", json!({"read": {"chat_id": room, "seq": "9"}})),
        ("6", json!({"delivered": {"chat_id": room, "seq": "10"}})),
    ] {
        let mut frame = frame;
        frame["id"] = id.into();
        client.say(frame).await;
        let answer = client.frame().await;
        assert_eq!(answer.id, id);
        assert!(matches!(answer.frame, Some(Frame::Done(_))), "{answer:?}");
    }
    let done = stage.services.actions.lock().clone();
    let wanted = [
        format!("edit {message} new"),
        format!("delete {message} true"),
        format!("react {message} 👍"),
        format!("unreact {message}"),
        format!("read {room} 9"),
        format!("delivered {room} 10"),
    ];
    assert_eq!(done, wanted);
    client.say(json!({"id": "7", "react": {"message_id": message, "emoji": "no"}})).await;
    assert_eq!(client.error().await.1, "INVALID_ARGUMENT");
    client.say(json!({"id": "8", "edit_message": {"message_id": "x"}})).await;
    assert_eq!(client.error().await.1, "INVALID_ARGUMENT");
}
