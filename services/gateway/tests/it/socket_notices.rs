//! What is passed on and kept nowhere: typing, people on screen, signals of calls.

use std::sync::atomic::Ordering;

use godwit_contract::call::v1::{ConnectedDevice, RelaySignalRequest};
use godwit_contract::chat::v1::GetPostingPolicyResponse;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_contract::events::v1::{DeviceProbe, ForDevice, MembersLeft, PostingChanged, Typing};
use godwit_contract::v1::client_frame::Frame as Said;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{
    CallSignal, CallSignalEvent, CallSignalFrame, ChatKind, ClientFrame, Presence, ServerFrame, TypingAction,
    TypingEvent, TypingFrame, WatchPresenceFrame, call_signal,
};
use godwit_kernel::{CallId, ChatId, SystemClock, SystemEntropy};
use godwit_live::Channel;
use godwit_rpc::Caller;
use godwit_testkit::eventually;
use prost::Message as _;
use serde_json::json;

use crate::stage::{Client, SOON, Stage, chat, elsewhere, somebody};

const BINARY: (&str, &str) = ("sec-websocket-protocol", "godwit.v1.proto");

async fn binary(stage: &Stage, path: &str, caller: &Caller) -> Client {
    let bearer = format!("Bearer {}", stage.token(caller));
    let mut client = Client::open(stage.address, path, &[("authorization", &bearer), BINARY]).await;
    client.connected().await;
    client
}

/// A chat of these people.
fn chat_of(stage: &Stage, members: &[&Caller]) -> ChatId {
    let room = chat();
    members.iter().for_each(|member| stage.services.add_member(room, member));
    room
}

async fn typing(client: &mut Client) -> TypingEvent {
    match client.frame().await.frame {
        Some(Frame::Typing(typing)) => typing,
        other => panic!("not typing: {other:?}"),
    }
}

async fn done(client: &mut Client) {
    let answer = client.frame().await;
    assert!(matches!(answer.frame, Some(Frame::Done(_))), "{answer:?}");
}

/// As another gateway would pass it on.
async fn type_elsewhere(stage: &Stage, room: ChatId, who: &Caller) {
    let event = TypingEvent {
        chat_id: room.to_string(),
        user_id: who.user_id.to_string(),
        action: TypingAction::Typing.into(),
        expires_in_ms: 6_000,
    };
    let frame = ServerFrame { id: String::new(), frame: Some(Frame::Typing(event)) };
    let typing = Typing { user_id: who.user_id.to_string(), server_frame: frame.encode_to_vec().into() };
    stage.send(Channel::Chat(room), Payload::Typing(typing)).await;
}

/// That nothing came before this.
async fn hears_next(stage: &Stage, room: ChatId, seq: u64, clients: &mut [&mut Client]) {
    stage.publish(room, seq, "next").await;
    for client in clients {
        assert_eq!(client.update().await.seq, seq);
    }
}

#[tokio::test]
async fn who_types_is_shown_to_the_others_in_either_encoding() {
    let stage = Stage::start().await;
    let (ada, bob, cleo, dan) = (somebody(), somebody(), somebody(), somebody());
    let room = chat_of(&stage, &[&ada, &bob, &cleo]);
    let mut adas = stage.connect(&ada).await;
    let mut tablet = stage.connect(&elsewhere(&ada)).await;
    let mut bobs = binary(&stage, "/ws/me", &bob).await;
    let mut cleos = stage.open(&format!("/ws/{room}"), &cleo).await;
    cleos.connected().await;
    let mut dans = stage.connect(&dan).await;

    adas.say(json!({"typing": {"chat_id": room.to_string(), "action": "TYPING_ACTION_RECORDING_VOICE"}})).await;
    for client in [&mut bobs, &mut cleos] {
        let seen = typing(client).await;
        assert_eq!((seen.chat_id.as_str(), seen.user_id.as_str()), (&*room.to_string(), &*ada.user_id.to_string()));
        assert_eq!((seen.action(), seen.expires_in_ms), (TypingAction::RecordingVoice, 6_000));
    }
    // Too early, from another device, too; an end is told at once, and once.
    let frame = Said::Typing(TypingFrame { chat_id: room.to_string(), action: 0 });
    tablet.say(json!({"id": "t", "typing": {"chat_id": room.to_string()}})).await;
    done(&mut tablet).await;
    for id in ["c", "d"] {
        adas.say(json!({"id": id, "typing": {"chat_id": room.to_string(), "action": "TYPING_ACTION_CANCEL"}})).await;
        done(&mut adas).await;
    }
    for client in [&mut bobs, &mut cleos] {
        let seen = typing(client).await;
        assert_eq!((seen.action(), seen.expires_in_ms), (TypingAction::Cancel, 0));
    }
    bobs.say_binary(&ClientFrame { id: "t".to_owned(), frame: Some(frame) }).await;
    done(&mut bobs).await;
    for client in [&mut adas, &mut tablet, &mut cleos] {
        let seen = typing(client).await;
        assert_eq!((seen.action(), seen.user_id), (TypingAction::Typing, bob.user_id.to_string()));
    }
    hears_next(&stage, room, 1, &mut [&mut adas, &mut tablet, &mut bobs, &mut cleos]).await;
    dans.say(json!({"id": "last"})).await;
    assert_eq!(dans.error().await.0, "last", "who is not in the chat was told nothing");
}

#[tokio::test]
async fn only_who_may_post_is_shown_typing_and_only_in_small_chats() {
    let stage = Stage::start().await;
    let (ada, bob) = (somebody(), somebody());
    let rooms: Vec<ChatId> = (0..5).map(|_| chat_of(&stage, &[&ada, &bob])).collect();
    let [read_only, blocked, large, channel, group] = rooms.as_slice() else { panic!("five") };
    let policy = |kind: ChatKind, member_count, may_post| GetPostingPolicyResponse {
        may_post,
        kind: kind.into(),
        member_count,
        ..GetPostingPolicyResponse::default()
    };
    for (room, policy) in [
        (read_only, policy(ChatKind::Group, 3, false)),
        (blocked, GetPostingPolicyResponse { refusal: 1, ..policy(ChatKind::Direct, 2, false) }),
        (large, policy(ChatKind::Group, 201, true)),
        (channel, policy(ChatKind::Channel, 3, true)),
        (group, policy(ChatKind::Group, 200, true)),
    ] {
        stage.services.policies.lock().insert(*room, policy);
    }
    let (mut adas, mut bobs) = (stage.connect(&ada).await, stage.connect(&bob).await);
    for (room, reason) in [(*read_only, "POSTING_NOT_ALLOWED"), (*blocked, "BLOCKED"), (chat(), "CHAT_NOT_FOUND")] {
        adas.say(json!({"typing": {"chat_id": room.to_string()}})).await;
        assert_eq!(adas.error().await.1, reason);
    }
    for room in [large, channel] {
        adas.say(json!({"id": "t", "typing": {"chat_id": room.to_string()}})).await;
        done(&mut adas).await;
    }
    adas.say(json!({"id": "t", "typing": {"chat_id": group.to_string()}})).await;
    done(&mut adas).await;
    assert_eq!(typing(&mut bobs).await.chat_id, group.to_string());
    for bad in [json!({"chat_id": "x"}), json!({"chat_id": group.to_string(), "action": 99})] {
        adas.say(json!({"id": "t", "typing": bad})).await;
        let reason = adas.error().await.1;
        assert!(["INVALID_ARGUMENT", "MALFORMED_FRAME"].contains(&reason.as_str()), "{reason}");
    }
}

#[tokio::test]
async fn who_was_removed_or_blocked_is_not_seen_typing() {
    let stage = Stage::start().await;
    let (ada, bob, cleo) = (somebody(), somebody(), somebody());
    let room = chat_of(&stage, &[&ada, &bob, &cleo]);
    let (mut adas, mut bobs) = (stage.connect(&ada).await, stage.connect(&bob).await);
    adas.say(json!({"id": "t", "typing": {"chat_id": room.to_string()}})).await;
    done(&mut adas).await;
    assert_eq!(typing(&mut bobs).await.user_id, ada.user_id.to_string());
    type_elsewhere(&stage, room, &cleo).await;
    for client in [&mut adas, &mut bobs] {
        assert_eq!(typing(client).await.user_id, cleo.user_id.to_string());
    }

    stage.services.remove_member(room, &ada);
    let user_ids = vec![ada.user_id.to_string()];
    let left = MembersLeft { user_ids, chat_id: room.to_string(), ..MembersLeft::default() };
    stage.send(Channel::Chat(room), Payload::MembersLeft(left)).await;
    // What another gateway sent by what it remembered is not shown, and this one remembers nothing.
    type_elsewhere(&stage, room, &ada).await;
    type_elsewhere(&stage, room, &cleo).await;
    assert_eq!(typing(&mut bobs).await.user_id, cleo.user_id.to_string());
    let asks = stage.services.policy_asks.load(Ordering::SeqCst);
    adas.say(json!({"typing": {"chat_id": room.to_string(), "action": "TYPING_ACTION_CANCEL"}})).await;
    assert_eq!(adas.error().await.1, "CHAT_NOT_FOUND");
    assert_eq!(stage.services.policy_asks.load(Ordering::SeqCst), asks + 1);

    let changed = Payload::PostingChanged(PostingChanged { chat_id: room.to_string() });
    stage.send(Channel::Chat(room), changed).await;
    type_elsewhere(&stage, room, &cleo).await;
    hears_next(&stage, room, 1, &mut [&mut bobs]).await;
}

#[tokio::test]
async fn after_an_interruption_nobody_is_shown_typing_who_may_have_been_removed() {
    let stage = Stage::start().await;
    let (ada, bob) = (somebody(), somebody());
    let room = chat_of(&stage, &[&ada, &bob]);
    let mut bobs = stage.connect(&bob).await;
    type_elsewhere(&stage, room, &ada).await;
    assert_eq!(typing(&mut bobs).await.user_id, ada.user_id.to_string());
    stage.live.interrupt().await;
    assert!(matches!(bobs.frame().await.frame, Some(Frame::Resync(_))));
    type_elsewhere(&stage, room, &ada).await;
    hears_next(&stage, room, 1, &mut [&mut bobs]).await;
}

#[tokio::test]
async fn people_on_screen_are_watched_by_what_all_connections_show() {
    let stage = Stage::start().await;
    let ada = somebody();
    let [one, two, three] = [somebody(), somebody(), somebody()].map(|person| person.user_id.to_string());
    let room = chat_of(&stage, &[&ada]);
    let mut phone = stage.connect(&ada).await;
    let mut narrow = binary(&stage, &format!("/ws/{room}"), &ada).await;
    phone.say(json!({"id": "w", "watch_presence": {"user_ids": [one, two, one]}})).await;
    let answer = phone.frame().await;
    let Some(Frame::Presences(list)) = answer.frame else { panic!("{answer:?}") };
    let seen: Vec<_> = list.presences.iter().map(|presence| presence.user_id.clone()).collect();
    assert_eq!((answer.id.as_str(), seen), ("w", vec![one.clone(), two.clone()]));
    let watch = WatchPresenceFrame { user_ids: vec![two.clone()] };
    narrow.say_binary(&ClientFrame { id: "n".to_owned(), frame: Some(Said::WatchPresence(watch)) }).await;
    assert!(matches!(narrow.frame().await.frame, Some(Frame::Presences(_))));
    phone.say(json!({"id": "w", "watch_presence": {"user_ids": [three]}})).await;
    assert!(matches!(phone.frame().await.frame, Some(Frame::Presences(_))));
    let watches = stage.services.watches.lock().clone();
    let node = &watches.first().unwrap().node_id;
    assert_eq!(*node, stage.services.reports.lock().first().unwrap().node_id);
    let lists: Vec<_> = watches.iter().map(|w| (w.watched_user_ids.clone(), w.unwatched_user_ids.clone())).collect();
    let expected = [
        (vec![one.clone(), two.clone()], vec![]),
        (vec![two.clone()], vec![]),
        // The other connection still shows the second.
        (vec![three.clone()], vec![one]),
    ];
    assert_eq!(lists, expected);

    // Changes come on the user's channel: to whatever shows all, and to what shows one chat and has them on screen.
    for person in [&three, &two] {
        let presence = Presence { user_id: person.clone(), status: 3, ..Presence::default() };
        let frame = ServerFrame { id: String::new(), frame: Some(Frame::Presence(presence)) };
        stage.send(Channel::User(ada.user_id), Payload::ServerFrame(frame.encode_to_vec().into())).await;
    }
    for (client, person) in [(&mut phone, &three), (&mut narrow, &two)] {
        let Some(Frame::Presence(seen)) = client.frame().await.frame else { panic!("a presence") };
        assert_eq!(seen.user_id, *person);
    }
    let many: Vec<_> = (0..101).map(|_| somebody().user_id.to_string()).collect();
    for bad in [json!(many), json!(["x"])] {
        narrow.say_binary(&ClientFrame::default()).await;
        assert_eq!(narrow.error().await.1, "UNKNOWN_FRAME");
        phone.say(json!({"id": "w", "watch_presence": {"user_ids": bad}})).await;
        loop {
            let answer = phone.frame().await;
            match answer.frame {
                Some(Frame::Presence(_)) => {}
                Some(Frame::Error(error)) => break assert_eq!(error.reason, "INVALID_ARGUMENT"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn signals_are_passed_on_and_reach_the_device_that_they_are_for() {
    let stage = Stage::start().await;
    let ada = somebody();
    let (phone, tablet) = (elsewhere(&ada), elsewhere(&ada));
    let (mut phones, mut tablets) = (stage.connect(&phone).await, binary(&stage, "/ws/me", &tablet).await);
    phones
        .say(json!({"id": "s", "call_signal": {"call_id": "c", "to_device_id": "d", "signal": {"offer": "v=0"}}}))
        .await;
    done(&mut phones).await;
    let signal = CallSignal { content: Some(call_signal::Content::Answer("v=0".to_owned())) };
    let frame = CallSignalFrame { call_id: "c".to_owned(), to_device_id: String::new(), signal: Some(signal.clone()) };
    tablets.say_binary(&ClientFrame { id: "s".to_owned(), frame: Some(Said::CallSignal(frame)) }).await;
    done(&mut tablets).await;
    let relayed: Vec<_> = stage.services.signals.lock().drain(..).collect();
    assert_eq!(relayed.iter().map(|signal| signal.to_device_id.as_str()).collect::<Vec<_>>(), ["d", ""]);
    assert_eq!(relayed.last().unwrap().signal.as_ref(), Some(&signal));
    phones.say(json!({"id": "s", "call_signal": {"call_id": "none", "signal": {"hangup": {}}}})).await;
    assert_eq!(phones.error().await.2, 404);

    let event = CallSignalEvent { call_id: "c".to_owned(), signal: Some(signal), ..CallSignalEvent::default() };
    let server_frame = ServerFrame { id: String::new(), frame: Some(Frame::CallSignal(event)) }.encode_to_vec();
    let only = ForDevice { device_id: tablet.device_id.to_string(), server_frame: server_frame.clone().into() };
    stage.send(Channel::User(ada.user_id), Payload::ForDevice(only)).await;
    assert!(matches!(tablets.frame().await.frame, Some(Frame::CallSignal(_))));
    phones.say(json!({"id": "last"})).await;
    assert_eq!(phones.error().await.0, "last", "the other device got nothing");
    stage.send(Channel::User(ada.user_id), Payload::ServerFrame(server_frame.into())).await;
    for client in [&mut phones, &mut tablets] {
        assert!(matches!(client.frame().await.frame, Some(Frame::CallSignal(_))));
    }
}

#[tokio::test]
async fn signals_of_one_connection_keep_their_order() {
    let stage = Stage::start().await;
    let mut phone = stage.connect(&somebody()).await;
    let said: Vec<_> = (0..30).map(|number| if number % 10 == 0 { "offer" } else { "answer" }).collect();
    for (number, kind) in said.iter().enumerate() {
        let signal = json!({ *kind: number.to_string() });
        let id = if number + 1 == said.len() { "last" } else { "" };
        phone.say(json!({"id": id, "call_signal": {"call_id": "c", "signal": signal}})).await;
    }
    done(&mut phone).await;
    let content = |request: &RelaySignalRequest| match request.signal.clone().unwrap().content {
        Some(call_signal::Content::Offer(number) | call_signal::Content::Answer(number)) => number,
        other => panic!("{other:?}"),
    };
    let relayed: Vec<String> = stage.services.signals.lock().iter().map(content).collect();
    assert_eq!(relayed, (0..said.len()).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_device_in_a_call_is_reported_where_it_is_connected_and_while_it_is() {
    let stage = Stage::start().await;
    let ada = somebody();
    let (phone, tablet) = (elsewhere(&ada), elsewhere(&ada));
    let _phones = stage.connect(&phone).await;
    let call_id = CallId::generate(&SystemClock, &SystemEntropy).to_string();
    let probe = |device: &Caller| {
        let device_id = device.device_id.to_string();
        Payload::DeviceProbe(DeviceProbe { call_id: call_id.clone(), device_id })
    };
    stage.send(Channel::User(ada.user_id), probe(&tablet)).await;
    stage.send(Channel::User(ada.user_id), probe(&phone)).await;
    let reported = eventually(SOON, async || stage.services.devices.lock().pop()).await;
    let expected = ConnectedDevice {
        call_id: call_id.clone(),
        user_id: ada.user_id.to_string(),
        device_id: phone.device_id.to_string(),
    };
    assert_eq!(reported, expected);
    assert!(stage.services.devices.lock().is_empty(), "nobody has a connection of the other device");
}

#[tokio::test]
async fn what_one_connection_may_pass_on_is_bounded() {
    let stage = Stage::start().await;
    let mut client = stage.connect(&somebody()).await;
    for _ in 0..150 {
        client.say(json!({"presence": {"status": "PRESENCE_STATUS_ONLINE"}})).await;
    }
    let answer = client.frame().await;
    let Some(Frame::Error(error)) = answer.frame else { panic!("{answer:?}") };
    assert_eq!((error.reason.as_str(), error.status), ("RATE_LIMITED", 429));
    assert!(error.retry_after_ms > 0);
}
