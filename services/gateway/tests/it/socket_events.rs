use std::sync::atomic::Ordering;

use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::events::v1::{ChatInterest, MembersLeft, MembershipLost};
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{Presence, ServerFrame, Update, server_frame};
use godwit_live::Channel;
use godwit_testkit::eventually;
use prost::Message as _;

use crate::stage::{Client, Heard, SOON, Stage, chat, elsewhere, somebody, update};

fn interest(chat: godwit_kernel::ChatId) -> ChatInterest {
    ChatInterest { chat_ids: vec![chat.to_string()] }
}

#[tokio::test]
async fn events_of_all_chats_reach_all_sockets_of_a_member_and_nobody_else() {
    let stage = Stage::start().await;
    let (member, stranger) = (somebody(), somebody());
    let chats = [chat(), chat(), chat(), chat(), chat()];
    for chat in chats {
        stage.services.add_member(chat, &member);
    }
    let strange = chat();
    stage.services.add_member(strange, &stranger);
    let mut json = stage.connect(&member).await;
    let bearer = format!("Bearer {}", stage.token(&elsewhere(&member)));
    let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "godwit.v1.proto")];
    let mut binary = Client::open(stage.address, "/ws/me", &headers).await;
    binary.connected().await;
    let mut other = stage.connect(&stranger).await;
    for (seq, chat) in (1..).zip(chats) {
        stage.publish(chat, seq, "hello").await;
        let expected = update(chat, seq, "hello").frame;
        assert_eq!(Some(Frame::Update(json.update().await)), expected);
        assert_eq!(Some(Frame::Update(binary.update().await)), expected);
    }
    // The first that the stranger hears is of their own chat.
    stage.publish(strange, 9, "own").await;
    assert_eq!(other.update().await.seq, 9);
}

#[tokio::test]
async fn what_concerns_a_user_reaches_their_sockets() {
    let stage = Stage::start().await;
    let caller = somebody();
    let mut client = stage.connect(&caller).await;
    let presence = Presence { user_id: somebody().user_id.to_string(), status: 1, ..Presence::default() };
    let frame = ServerFrame { id: String::new(), frame: Some(server_frame::Frame::Presence(presence)) };
    let payload = Payload::ServerFrame(frame.encode_to_vec().into());
    stage.send(Channel::User(caller.user_id), payload).await;
    assert_eq!(client.frame().await, frame);
}

#[tokio::test]
async fn a_new_member_hears_a_chat_at_once_and_a_former_one_no_more() {
    let stage = Stage::start().await;
    let caller = somebody();
    let (new, old) = (chat(), chat());
    stage.services.add_member(old, &caller);
    let mut client = stage.connect(&caller).await;
    stage.send(Channel::User(caller.user_id), Payload::Joined(interest(new))).await;
    // What the chat said until now may have been missed.
    assert!(matches!(client.frame().await.frame, Some(Frame::Resync(_))));
    stage.publish(new, 1, "welcome").await;
    assert_eq!(client.update().await.chat_id, new.to_string());
    stage.send(Channel::User(caller.user_id), Payload::Left(interest(new))).await;
    stage.publish(new, 2, "secret").await;
    stage.publish(old, 7, "public").await;
    let update = client.update().await;
    assert_eq!((update.chat_id, update.seq), (old.to_string(), 7));
}

#[tokio::test]
async fn who_is_removed_hears_of_it_and_nothing_after_it() {
    let stage = Stage::start().await;
    let (removed, other) = (somebody(), somebody());
    let (room, elsewhere) = (chat(), chat());
    stage.services.add_member(room, &removed);
    stage.services.add_member(elsewhere, &removed);
    stage.services.add_member(room, &other);
    let mut client = stage.connect(&removed).await;
    let mut stays = stage.connect(&other).await;
    let update = Update { chat_id: room.to_string(), seq: 5, ..Update::default() };
    let frame = ServerFrame { id: String::new(), frame: Some(server_frame::Frame::Update(update)) };
    let left = MembersLeft {
        server_frame: frame.encode_to_vec().into(),
        user_ids: vec![removed.user_id.to_string()],
        chat_id: room.to_string(),
    };
    stage.services.remove_member(room, &removed);
    stage.send(Channel::Chat(room), Payload::MembersLeft(left)).await;
    stage.publish(room, 6, "secret").await;
    // Word of the joining that comes late changes nothing: the chat service is asked.
    stage.send(Channel::User(removed.user_id), Payload::Joined(interest(room))).await;
    stage.publish(room, 7, "secret too").await;
    stage.publish(elsewhere, 1, "public").await;
    assert_eq!(client.update().await.seq, 5);
    assert_eq!(client.update().await.chat_id, elsewhere.to_string());
    for seq in 5..=7 {
        assert_eq!(stays.update().await.seq, seq);
    }
}

#[tokio::test]
async fn a_socket_of_one_chat_hears_only_it_and_closes_when_its_user_leaves() {
    let stage = Stage::start().await;
    let caller = somebody();
    let (shown, other) = (chat(), chat());
    stage.services.add_member(shown, &caller);
    stage.services.add_member(other, &caller);
    let mut client = stage.open(&format!("/ws/{shown}"), &caller).await;
    client.connected().await;
    stage.publish(other, 1, "elsewhere").await;
    stage.publish(shown, 2, "here").await;
    assert_eq!(client.update().await.seq, 2);
    stage.send(Channel::User(caller.user_id), Payload::Left(interest(shown))).await;
    assert_eq!(client.close_code().await, 4403);
}

#[tokio::test]
async fn a_chat_that_is_not_ones_own_is_closed_with_4403() {
    let stage = Stage::start().await;
    let foreign = chat();
    stage.services.add_member(foreign, &somebody());
    for chat in [foreign, chat()] {
        let mut client = stage.open(&format!("/ws/{chat}"), &somebody()).await;
        assert_eq!(client.error().await, (String::new(), "CHAT_NOT_FOUND".to_owned(), 404));
        assert_eq!(client.close_code().await, 4403);
    }
}

#[tokio::test]
async fn after_an_interruption_clients_sync_and_chats_are_looked_up_again() {
    let stage = Stage::start().await;
    let caller = somebody();
    let (joined, left, narrow) = (chat(), chat(), chat());
    stage.services.add_member(left, &caller);
    stage.services.add_member(narrow, &caller);
    let mut client = stage.connect(&caller).await;
    let mut one_chat = stage.open(&format!("/ws/{narrow}"), &caller).await;
    one_chat.connected().await;
    // Nobody could say this while the link was down.
    stage.services.add_member(joined, &caller);
    stage.services.remove_member(left, &caller);
    stage.services.remove_member(narrow, &caller);
    // The chats are told only when the first word is out, or both would become one.
    stage.services.hides_chats.store(true, Ordering::SeqCst);
    stage.live.interrupt().await;
    assert!(matches!(client.frame().await.frame, Some(Frame::Resync(_))));
    stage.services.hides_chats.store(false, Ordering::SeqCst);
    assert_eq!(one_chat.close_code().await, 4403);
    // A second one, once the new chat is followed.
    assert!(matches!(client.frame().await.frame, Some(Frame::Resync(_))));
    stage.publish(left, 1, "secret").await;
    stage.publish(joined, 2, "welcome").await;
    assert_eq!(client.update().await.seq, 2);
}

#[tokio::test]
async fn who_is_back_when_word_comes_that_they_left_goes_on_hearing() {
    let stage = Stage::start().await;
    let caller = somebody();
    let room = chat();
    stage.services.add_member(room, &caller);
    let mut client = stage.connect(&caller).await;
    stage.publish(room, 1, "before").await;
    assert_eq!(client.update().await.seq, 1);
    stage.send(Channel::User(caller.user_id), Payload::Left(interest(room))).await;
    // Not what comes at once: it is asked first whether they are a member.
    assert!(matches!(client.frame().await.frame, Some(Frame::Resync(_))));
    stage.publish(room, 2, "after").await;
    assert_eq!(client.update().await.seq, 2);
}

#[tokio::test]
async fn when_word_of_joins_and_leaves_was_lost_chats_are_looked_up_again() {
    let stage = Stage::start().await;
    let caller = somebody();
    let (joined, left) = (chat(), chat());
    stage.services.add_member(left, &caller);
    let mut client = stage.connect(&caller).await;
    stage.services.add_member(joined, &caller);
    stage.services.remove_member(left, &caller);
    stage.send(Channel::Sessions, Payload::MembershipLost(MembershipLost {})).await;
    assert!(matches!(client.frame().await.frame, Some(Frame::Resync(_))));
    stage.publish(left, 1, "secret").await;
    stage.publish(joined, 2, "welcome").await;
    assert_eq!(client.update().await.seq, 2);
}

#[tokio::test]
async fn a_client_that_falls_behind_is_told_to_sync_and_goes_on() {
    let stage = Stage::start().await;
    let (slow, quick) = (somebody(), somebody());
    let room = chat();
    stage.services.add_member(room, &slow);
    stage.services.add_member(room, &quick);
    let mut behind = stage.connect(&slow).await;
    let mut abreast = stage.connect(&quick).await;
    let large = "x".repeat(30_000);
    for seq in 1..=400 {
        stage.publish(room, seq, &large).await;
        assert_eq!(abreast.update().await.seq, seq);
    }
    let mut heard = 0;
    loop {
        match behind.frame().await.frame {
            Some(Frame::Update(update)) => {
                heard += 1;
                assert_eq!(update.seq, heard, "what comes before the resync is without gap");
            }
            Some(Frame::Resync(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(heard < 400, "{heard} of 400");
    stage.publish(room, 401, "now").await;
    assert_eq!(behind.update().await.seq, 401);
}

#[tokio::test]
async fn a_socket_of_one_chat_syncs_when_it_is_shown_its_chat_again() {
    let stage = Stage::start().await;
    let caller = somebody();
    let room = chat();
    stage.services.add_member(room, &caller);
    let mut narrow = stage.open(&format!("/ws/{room}"), &caller).await;
    narrow.connected().await;
    for seq in 1..=20 {
        stage.live.interrupt().await;
        assert!(matches!(narrow.frame().await.frame, Some(Frame::Resync(_))));
        // From here on nothing is kept from it: what it does not find when it syncs, it hears.
        stage.publish(room, seq, "again").await;
        assert_eq!(narrow.update().await.seq, seq);
    }
}

#[tokio::test]
async fn clients_that_never_read_delay_nobody() {
    let stage = Stage::start().await;
    let room = chat();
    let mut deaf = Vec::new();
    for _ in 0..5 {
        let caller = somebody();
        stage.services.add_member(room, &caller);
        deaf.push(stage.connect(&caller).await);
    }
    let caller = somebody();
    stage.services.add_member(room, &caller);
    let mut client = stage.connect(&caller).await;
    let large = "x".repeat(30_000);
    for seq in 1..=200 {
        stage.publish(room, seq, &large).await;
        assert_eq!(client.update().await.seq, seq);
    }
    // And what it asks is answered, while the others are still there.
    client.say(serde_json::json!({"id": "1"})).await;
    assert_eq!(client.error().await.0, "1");
    for silent in &mut deaf {
        assert!(matches!(silent.hear().await, Heard::Frame(_)));
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed() {
    let stage = Stage::with(&["--gateway-write-timeout-ms=300"]).await;
    let caller = somebody();
    let room = chat();
    stage.services.add_member(room, &caller);
    let mut deaf = stage.connect(&caller).await;
    let large = "x".repeat(30_000);
    for seq in 1..=400 {
        stage.publish(room, seq, &large).await;
    }
    // The gateway gives the socket up, and so the user.
    eventually(SOON, || async {
        let reports = stage.services.reports.lock();
        reports.iter().any(|report| report.left_user_ids.contains(&caller.user_id.to_string()))
    })
    .await;
    let mut heard = 0;
    let code = loop {
        match deaf.hear().await {
            Heard::Frame(_) => heard += 1,
            Heard::Closed(code) => break code,
        }
    };
    assert!(heard < 400, "{heard} of 400");
    // Whether the last word still finds a way depends on how full the way is.
    assert!(code == 4408 || code == 1006, "{code}");
}
