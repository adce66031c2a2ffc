//! Typing, presence, signals of calls, receipts and drafts between devices at two gateways.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use godwit_client::{Activity, Encoding, Event, Events};
use godwit_contract::call::v1::CreateCallResponse;
use godwit_contract::presence::v1::{GetPresenceResponse, ListPresencesResponse};
use godwit_contract::v1::client_frame::Frame as Said;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{
    CallSignal, CallSignalFrame, PresenceFrame, PresenceStatus, ReadFrame, TypingAction, TypingEvent, TypingFrame,
    call_signal,
};
use godwit_kernel::ChatId;
use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{self, Account, Pair, Socket, connect_sdk, fresh_uuid, separate};

const SOON: Duration = Duration::from_secs(30);

async fn next<T>(events: &mut Events, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let found = timeout(SOON, async {
        loop {
            if let Some(found) = pick(events.next().await.expect("the connection goes on")) {
                return found;
            }
        }
    });
    found.await.expect("it is told soon")
}

async fn next_typing(events: &mut Events) -> TypingEvent {
    next(events, |event| match event {
        Event::Typing(typing) => Some(typing),
        _ => None,
    })
    .await
}

/// The next presence that is told of this person.
async fn next_status(events: &mut Events, of: &Account) -> PresenceStatus {
    next(events, |event| match event {
        Event::Presence(presence) if presence.user_id == of.user_id => Some(presence.status()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn typing_is_seen_at_the_other_gateway_and_ends_by_itself_or_with_the_message() {
    let cluster = separate().await;
    let pair = Pair::create(cluster).await;
    let chat_id: ChatId = pair.chat_id.parse().unwrap();
    let (adas, mut adas_events) = connect_sdk(cluster.gateway(), &pair.ada, Encoding::Json).await;
    let (bobs, mut bobs_events) = connect_sdk(cluster.other_gateway(), &pair.bob, Encoding::Binary).await;

    let began_at = Instant::now();
    adas.type_in(chat_id, TypingAction::RecordingVoice);
    let seen = next_typing(&mut bobs_events).await;
    assert_eq!((seen.user_id.as_str(), seen.action()), (pair.ada.user_id.as_str(), TypingAction::RecordingVoice));
    assert_eq!(next_typing(&mut bobs_events).await.action(), TypingAction::Cancel);
    assert!(began_at.elapsed() >= Duration::from_secs(6), "nobody said that it ended");

    bobs.type_in(chat_id, TypingAction::Typing);
    assert_eq!(next_typing(&mut adas_events).await.user_id, pair.bob.user_id);
    let began_at = Instant::now();
    bobs.send(chat_id, "there").unwrap().outcome().await.unwrap();
    assert_eq!(next_typing(&mut adas_events).await.action(), TypingAction::Cancel);
    assert!(began_at.elapsed() < Duration::from_secs(6), "the message ended it");

    // From the moment that the block is made.
    adas.type_in(chat_id, TypingAction::Typing);
    assert_eq!(next_typing(&mut bobs_events).await.action(), TypingAction::Typing);
    assert_eq!(next_typing(&mut bobs_events).await.action(), TypingAction::Cancel);
    pair.bob.rest.post(&format!("/users/{}/block", pair.ada.user_id), json!({})).await.ok::<serde_json::Value>();
    let mut socket = pair.ada.connect(support::Encoding::Json).await;
    let typing = TypingFrame { chat_id: pair.chat_id.clone(), action: TypingAction::Typing.into() };
    socket.send("t", Said::Typing(typing)).await;
    let reason = socket.until("error", |frame| match frame.frame {
        Some(Frame::Error(error)) if frame.id == "t" => Some(error.reason),
        _ => None,
    });
    assert_eq!(reason.await, "BLOCKED");
}

#[tokio::test]
async fn presence_over_two_gateways_is_the_best_of_it_and_short_absences_are_seen_by_nobody() {
    let options = ClusterOptions::new(Shape::Separate).variable("GODWIT_PRESENCE_GRACE_MS", "4000");
    let mut cluster = options.variable("GODWIT_PRESENCE_LEASE_SECS", "6").start().await;
    let pair = Pair::create(&cluster).await;
    let cleo = Account::create_at(cluster.gateway(), cluster.mailbox(), "cleo").await;
    let (bobs, mut events) = connect_sdk(cluster.other_gateway(), &pair.bob, Encoding::Binary).await;
    // Cleo is no friend and shares no chat: she is on screen.
    bobs.watch_presence([cleo.user_id.parse().unwrap(), pair.ada.user_id.parse().unwrap()]).unwrap();
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Offline);

    let mut phone = pair.ada.connect(support::Encoding::Json).await;
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Online);
    say(&mut phone, PresenceStatus::Away).await;
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Away);
    // Another device at the other gateway, in the foreground.
    let (laptop, _laptops_events) = connect_sdk(cluster.other_gateway(), &pair.ada, Encoding::Json).await;
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Online);
    // Away and back, gone and back: all within the grace.
    laptop.set_activity(Activity::Away);
    say(&mut phone, PresenceStatus::Online).await;
    laptop.close().await;
    drop(phone);
    let mut phone = pair.ada.connect_at(cluster.other_gateway(), support::Encoding::Binary).await;
    say(&mut phone, PresenceStatus::Away).await;
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Away, "and nothing else before");
    drop(phone);
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Offline);

    // A gateway that dies takes its users with it when its lease ends; who is back before was never gone.
    let socket = cleo.connect(support::Encoding::Json).await;
    assert_eq!(next_status(&mut events, &cleo).await, PresenceStatus::Online);
    let phone = pair.ada.connect(support::Encoding::Json).await;
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Online);
    cluster.kill("gateway-1");
    drop((socket, phone));
    let mut phone = pair.ada.connect_at(cluster.other_gateway(), support::Encoding::Json).await;
    assert_eq!(next_status(&mut events, &cleo).await, PresenceStatus::Offline);
    say(&mut phone, PresenceStatus::Away).await;
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Away, "she was never gone");

    // A block holds for all that is told after it.
    cluster.start_again("gateway-1").await;
    pair.ada.rest.post(&format!("/users/{}/block", pair.bob.user_id), json!({})).await.ok::<serde_json::Value>();
    drop(phone);
    let gone = format!("/users/{}/presence", pair.ada.user_id);
    eventually(SOON, || async {
        let seen: GetPresenceResponse = cleo.rest.get(&gone).await.ok();
        seen.presence.is_some_and(|presence| presence.status() == PresenceStatus::Offline)
    })
    .await;
    let list = json!({"user_ids": [pair.ada.user_id, cleo.user_id]});
    let seen: ListPresencesResponse = pair.bob.rest.post("/users/presence", list).await.ok();
    let statuses: Vec<_> = seen.presences.iter().map(|presence| presence.status()).collect();
    assert_eq!(statuses, [PresenceStatus::Unspecified, PresenceStatus::Offline]);
    let _socket = cleo.connect(support::Encoding::Json).await;
    let told = next(&mut events, |event| match event {
        Event::Presence(presence) => Some(presence.user_id),
        _ => None,
    });
    assert_eq!(told.await, cleo.user_id, "nothing of Ada");
}

async fn say(socket: &mut Socket, status: PresenceStatus) {
    socket.send("p", Said::Presence(PresenceFrame { status: status.into() })).await;
    let done = socket.until("done", |frame| matches!(frame.frame, Some(Frame::Done(_))).then_some(()));
    done.await;
}

/// Who sent the next signal, from which device, and what.
async fn next_signal(socket: &mut Socket) -> (String, String, Option<call_signal::Content>) {
    let heard = socket.until("call_signal", |frame| match frame.frame {
        Some(Frame::CallSignal(signal)) => Some(signal),
        _ => None,
    });
    let heard = heard.await;
    (heard.from_user_id, heard.from_device_id, heard.signal.and_then(|signal| signal.content))
}

#[tokio::test]
async fn signals_of_a_call_reach_its_parties_and_nobody_else_can_send_them() {
    let cluster = separate().await;
    let Pair { ada, bob, .. } = Pair::create(cluster).await;
    let eve = Account::create(cluster, "eve").await;
    let mut adas = ada.connect(support::Encoding::Json).await;
    let mut bobs = bob.connect(support::Encoding::Binary).await;
    let mut eves = eve.connect(support::Encoding::Json).await;
    let call_id = fresh_uuid();
    let create = json!({"callee_id": bob.user_id, "media": "CALL_MEDIA_VIDEO", "call_id": call_id});
    ada.rest.post("/calls", create).await.created::<CreateCallResponse>();
    let frame = |content| {
        let signal = Some(CallSignal { content: Some(content) });
        Said::CallSignal(CallSignalFrame { call_id: call_id.clone(), to_device_id: String::new(), signal })
    };
    let offer = call_signal::Content::Offer("v=0 offer".to_owned());
    adas.send("s", frame(offer.clone())).await;
    adas.until("done", |frame| (frame.id == "s").then_some(())).await;
    assert_eq!(next_signal(&mut bobs).await, (ada.user_id.clone(), ada.device_id.clone(), Some(offer)));
    let answer = call_signal::Content::Answer("v=0 answer".to_owned());
    bobs.send("s", frame(answer.clone())).await;
    bobs.until("done", |frame| (frame.id == "s").then_some(())).await;
    assert_eq!(next_signal(&mut adas).await, (bob.user_id.clone(), bob.device_id.clone(), Some(answer)));
    eves.send("s", frame(call_signal::Content::Offer("v=0".to_owned()))).await;
    let reason = eves.until("error", |frame| match frame.frame {
        Some(Frame::Error(error)) => Some(error.reason),
        _ => None,
    });
    assert_eq!(reason.await, "CALL_NOT_FOUND");
}

#[tokio::test]
async fn receipts_and_drafts_reach_the_other_devices_in_either_encoding() {
    let cluster = separate().await;
    let pair = Pair::create(cluster).await;
    for number in 1..=2 {
        pair.bob.send(&pair.chat_id, &format!("m{number}"), "read me").await;
    }
    let tablet = Account::log_in(cluster.other_gateway(), &pair.ada.username, &pair.ada.email).await;
    let mut devices =
        [pair.ada.connect(support::Encoding::Json).await, tablet.connect(support::Encoding::Binary).await];
    let path = format!("/chats/{}/draft", pair.chat_id);
    for (place, text) in [(0_usize, "half a"), (1, "half a word")] {
        // What one device does, the other hears of, at the other gateway.
        let seq = u64::try_from(place).unwrap() + 2;
        let read = Said::Read(ReadFrame { chat_id: pair.chat_id.clone(), seq });
        devices.get_mut(place).unwrap().send("r", read).await;
        let heard = devices.iter_mut().map(|device| {
            device.until("receipt", |frame| match frame.frame? {
                Frame::Update(update) => match update.change? {
                    Change::ReceiptAdvanced(receipt) if receipt.read_seq == seq => Some(update.actor_id),
                    _ => None,
                },
                _ => None,
            })
        });
        for reader in join_all(heard).await {
            assert_eq!(reader, pair.ada.user_id);
        }
        pair.ada.rest.put(&path, json!({"text": text})).await.ok::<serde_json::Value>();
        let heard = devices.iter_mut().map(|device| {
            device.until("draft", |frame| match frame.frame? {
                Frame::Draft(draft) => Some(draft.text),
                _ => None,
            })
        });
        for draft in join_all(heard).await {
            assert_eq!(draft, text);
        }
    }
}

/// The cluster that the other tests of this file share has two gateways.
#[tokio::test]
async fn a_gateway_that_restarts_is_seen_by_nobody() {
    let mut cluster = TestCluster::start(Shape::Separate).await;
    let pair = Pair::create(&cluster).await;
    let (_bobs, mut events) = connect_sdk(cluster.other_gateway(), &pair.bob, Encoding::Json).await;
    let phone = pair.ada.connect(support::Encoding::Json).await;
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Online);
    cluster.stop("gateway-1").await;
    drop(phone);
    let mut phone = pair.ada.connect_at(cluster.other_gateway(), support::Encoding::Json).await;
    say(&mut phone, PresenceStatus::Away).await;
    assert_eq!(next_status(&mut events, &pair.ada).await, PresenceStatus::Away, "and never offline");
}
