use std::time::Duration;

use godwit_contract::push::v1::call_alert_internal_service_client::CallAlertInternalServiceClient;
use godwit_contract::push::v1::{
    AlertCallRequest, NotificationPreview, PushProvider, UpdateNotificationSettingsRequest,
};
use godwit_contract::v1::{Call, CallMedia, CallState};
use godwit_kernel::{CallId, Clock as _, SystemClock, SystemEntropy};
use godwit_rpc::{Target, timestamp};
use godwit_testkit::eventually;
use serde_json::json;

use crate::harness::{Replica, SOON, World};
use crate::peers::name_of;
use crate::phone::Phone;
use crate::stage::Manner;
use crate::stage::apns::{Pushed, TOPIC};

pub fn call(world: &World, caller: &Phone, callee: &Phone) -> Call {
    Call {
        id: CallId::generate(&SystemClock, &SystemEntropy).to_string(),
        media: CallMedia::Video.into(),
        state: CallState::Ringing.into(),
        caller_id: caller.user_id().to_string(),
        callee_id: callee.user_id().to_string(),
        created_at: Some(timestamp(world.clock.now())),
        ..Call::default()
    }
}

pub async fn alert(replica: &Replica, call: &Call, state: CallState) {
    let call = Call { state: state.into(), ..call.clone() };
    let mut client = CallAlertInternalServiceClient::new(replica.platform.directory.channel(Target::Push));
    client.alert_call(AlertCallRequest { call: Some(call) }).await.unwrap();
}

async fn rung(world: &World, phone: &Phone, count: usize) -> Vec<Pushed> {
    eventually(SOON, async || Some(world.apns.at(&phone.voip_token)).filter(|pushed| pushed.len() >= count)).await
}

async fn with_phones() -> (World, Replica, Phone, Phone, Phone) {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    let bobs_other = Phone::of(bob.user_id());
    for phone in [&bob, &bobs_other] {
        replica.register_apple(phone).await;
        replica.register_token(phone, PushProvider::ApnsVoip, &phone.voip_token).await.unwrap();
    }
    (world, replica, ada, bob, bobs_other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_the_phones_and_stops_on_those_that_did_not_answer() {
    let (world, replica, ada, bob, bobs_other) = with_phones().await;
    let mut call = call(&world, &ada, &bob);
    for _ in 0..3 {
        alert(&replica, &call, CallState::Ringing).await;
    }
    for phone in [&bob, &bobs_other] {
        let pushed = rung(&world, phone, 1).await.remove(0);
        assert_eq!((pushed.push_type.as_str(), pushed.priority.as_str()), ("voip", "10"));
        assert_eq!(pushed.topic, format!("{TOPIC}.voip"));
        assert_eq!(pushed.expiration, world.clock.now().unix_timestamp() + 45);
        let data = &pushed.payload["godwit"];
        assert_eq!((&data["kind"], &data["call_id"]), (&json!("call_ringing"), &json!(call.id)));
        assert_eq!((&data["media"], &data["rings_until"]), (&json!("video"), &json!("2026-06-01T12:00:45Z")));
        assert_eq!(data["caller_id"], json!(ada.user_id().to_string()));
    }
    call.callee_device_id = bob.caller.device_id.to_string();
    alert(&replica, &call, CallState::Accepted).await;
    let pushed = rung(&world, &bobs_other, 2).await.remove(1);
    let data = &pushed.payload["godwit"];
    assert_eq!((&data["kind"], &data["state"]), (&json!("call_over"), &json!("accepted")));
    // What comes again, or late, rings nobody.
    alert(&replica, &call, CallState::Ringing).await;
    alert(&replica, &call, CallState::Accepted).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM cues WHERE state = 'pending'").await == 0).await;
    assert_eq!(world.apns.at(&bob.voip_token).len(), 1, "the phone that answered");
    assert_eq!(world.apns.at(&bobs_other.voip_token).len(), 2);
    assert_eq!(world.apns.at(&bob.token).len() + world.apns.at(&bobs_other.token).len(), 0, "no alerts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_over_before_it_is_told_of_rings_nobody() {
    let (world, replica, ada, bob, _) = with_phones().await;
    let call = call(&world, &ada, &bob);
    alert(&replica, &call, CallState::Cancelled).await;
    alert(&replica, &call, CallState::Ringing).await;
    // And one of long ago.
    let old = Call { id: CallId::generate(&SystemClock, &SystemEntropy).to_string(), ..call };
    world.clock.advance(Duration::from_secs(46));
    alert(&replica, &old, CallState::Ringing).await;
    assert_eq!(world.number("SELECT count(*) FROM cues WHERE state = 'pending'").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM cues WHERE kind = 'call_ringing'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_of_google_rings_by_its_one_token() {
    let (world, replica, ada, bob, _) = with_phones().await;
    let android = Phone::of(bob.user_id());
    replica.register_google(&android).await;
    alert(&replica, &call(&world, &ada, &bob), CallState::Ringing).await;
    let pushed = eventually(SOON, async || world.fcm.at(&android.token).first().cloned()).await;
    assert_eq!(pushed.data["kind"], "call_ringing");
    assert_eq!(pushed.android, json!({"priority": "HIGH", "ttl": "45s"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_a_token_for_calls_shows_an_alert_until_the_call_is_over() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    replica.register_apple(&bob).await;
    let call = call(&world, &ada, &bob);
    alert(&replica, &call, CallState::Ringing).await;
    let rings = eventually(SOON, async || world.apns.at(&bob.token).first().cloned()).await;
    assert_eq!((rings.push_type.as_str(), rings.priority.as_str(), rings.topic.as_str()), ("alert", "10", TOPIC));
    let name = name_of(&ada.user_id().to_string());
    assert_eq!(rings.payload["aps"]["alert"], json!({"title": name, "loc-key": "INCOMING_CALL"}));
    assert_eq!(rings.payload["aps"]["sound"], json!("default"));
    alert(&replica, &call, CallState::Cancelled).await;
    let over = eventually(SOON, async || world.apns.at(&bob.token).get(1).cloned()).await;
    assert_eq!((&over.payload["godwit"]["kind"], over.push_type.as_str()), (&json!("call_over"), "background"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_apple_cannot_take_now_rings_a_little_later_and_no_longer() {
    let (world, replica, ada, bob, bobs_other) = with_phones().await;
    world.apns.behave(&bob.voip_token, Some(Manner::refuse(503, json!({"reason": "ServiceUnavailable"}))));
    alert(&replica, &call(&world, &ada, &bob), CallState::Ringing).await;
    for phone in [&bob, &bobs_other] {
        rung(&world, phone, 1).await;
    }
    let now = world.clock.now().unix_timestamp();
    // Not that it is on its way, for which 30 s are kept.
    let waits = format!(
        "SELECT count(*) FROM cues WHERE state = 'pending' \
         AND due_at > to_timestamp({now}) AND due_at < to_timestamp({now} + 30)"
    );
    eventually(SOON, async || world.number(&waits).await == 1).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM cues WHERE state = 'pending'").await == 1).await;
    world.apns.behave(&bob.voip_token, None);
    world.clock.advance(Duration::from_secs(8));
    let pushed = rung(&world, &bob, 2).await;
    assert_eq!((&pushed[0].id, &pushed[0].collapse_id), (&pushed[1].id, &pushed[1].collapse_id));
    assert_eq!((&pushed[0].payload, pushed[0].expiration), (&pushed[1].payload, pushed[1].expiration));
    eventually(SOON, async || world.number("SELECT count(*) FROM cues WHERE state = 'pending'").await == 0).await;
    assert_eq!((world.apns.at(&bob.voip_token).len(), world.apns.at(&bobs_other.voip_token).len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_calls_that_is_over_is_dropped_and_the_one_for_alerts_stays() {
    let (world, replica, ada, bob, bobs_other) = with_phones().await;
    let since_ms = (world.clock.now().unix_timestamp() + 1) * 1_000;
    let gone = json!({"reason": "Unregistered", "timestamp": since_ms});
    world.apns.behave(&bob.voip_token, Some(Manner::refuse(410, gone)));
    alert(&replica, &call(&world, &ada, &bob), CallState::Ringing).await;
    rung(&world, &bobs_other, 1).await;
    let tokens = "SELECT count(*) FROM push_tokens";
    eventually(SOON, async || world.number(tokens).await == 3).await;
    assert_eq!(world.number("SELECT count(*) FROM push_tokens WHERE purpose = 'voip'").await, 1);
    // The call that rang there, messages, and the next call: all as on any phone without a token for calls.
    eventually(SOON, async || world.apns.at(&bob.token).len() == 1).await;
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    eventually(SOON, async || world.apns.at(&bob.token).len() == 2).await;
    alert(&replica, &call(&world, &ada, &bob), CallState::Ringing).await;
    eventually(SOON, async || world.apns.at(&bob.token).len() == 3).await;
    let pushed = world.apns.at(&bob.token);
    let kinds: Vec<&str> = pushed.iter().filter_map(|pushed| pushed.payload["godwit"]["kind"].as_str()).collect();
    assert_eq!(kinds, ["call_ringing", "message_created", "call_ringing"]);
    assert!(pushed.iter().all(|pushed| pushed.push_type == "alert" && pushed.topic == TOPIC));
    rung(&world, &bobs_other, 2).await;
    assert_eq!(world.apns.at(&bob.voip_token).len(), 1);
    assert_eq!(world.number(tokens).await, 3);
}

/// A call rings where messages are shown when Apple does not know the token for calls any more, and its end is told there.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_token_is_over_rings_by_the_one_for_alerts() {
    for (status, reason) in [(410, "Unregistered"), (400, "BadDeviceToken"), (400, "DeviceTokenNotForTopic")] {
        let (world, replica, ada, bob, bobs_other) = with_phones().await;
        world.apns.behave(&bob.voip_token, Some(Manner::refuse(status, json!({"reason": reason}))));
        let call = call(&world, &ada, &bob);
        alert(&replica, &call, CallState::Ringing).await;
        let rings = eventually(SOON, async || world.apns.at(&bob.token).first().cloned()).await;
        assert_eq!((rings.push_type.as_str(), rings.topic.as_str()), ("alert", TOPIC), "{reason}");
        assert_eq!(rings.payload["godwit"]["call_id"], json!(call.id));
        assert_eq!(rings.expiration, world.clock.now().unix_timestamp() + 45);
        rung(&world, &bobs_other, 1).await;
        let waits = "SELECT count(*) FROM cues WHERE state = 'pending'";
        eventually(SOON, async || world.number(waits).await == 0).await;
        alert(&replica, &call, CallState::Cancelled).await;
        let over = eventually(SOON, async || world.apns.at(&bob.token).get(1).cloned()).await;
        assert_eq!((&over.payload["godwit"]["kind"], &over.collapse_id), (&json!("call_over"), &rings.collapse_id));
        rung(&world, &bobs_other, 2).await;
        let told =
            [&bob.voip_token, &bob.token, &bobs_other.voip_token, &bobs_other.token].map(|at| world.apns.at(at).len());
        assert_eq!(told, [1, 2, 2, 0], "{reason}");
    }
}

/// Apple speaks of an installation that was there before: the new one rings, and the token stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_token_that_was_registered_anew_rings_a_little_later() {
    let (world, replica, ada, bob, _) = with_phones().await;
    let before_ms = (world.clock.now().unix_timestamp() - 60) * 1_000;
    let gone = json!({"reason": "Unregistered", "timestamp": before_ms});
    world.apns.behave(&bob.voip_token, Some(Manner::refuse(410, gone)));
    alert(&replica, &call(&world, &ada, &bob), CallState::Ringing).await;
    rung(&world, &bob, 1).await;
    world.apns.behave(&bob.voip_token, None);
    let now = world.clock.now().unix_timestamp();
    // Not that it is on its way, for which 30 s are kept.
    let waits = format!(
        "SELECT count(*) FROM cues WHERE state = 'pending' \
         AND due_at > to_timestamp({now}) AND due_at < to_timestamp({now} + 30)"
    );
    eventually(SOON, async || world.number(&waits).await == 1).await;
    world.clock.advance(Duration::from_secs(8));
    let pushed = rung(&world, &bob, 2).await;
    assert_eq!(pushed[0].id, pushed[1].id, "another try of the same");
    assert_eq!(world.number("SELECT count(*) FROM push_tokens WHERE purpose = 'voip'").await, 2);
    assert!(world.apns.at(&bob.token).is_empty(), "no alert");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_senders_shows_no_callers() {
    let (world, replica, ada, bob, _) = with_phones().await;
    let preview = NotificationPreview::Hidden.into();
    let hidden = UpdateNotificationSettingsRequest { preview, are_mentions_muted: None };
    replica.change_settings(&bob, hidden).await;
    alert(&replica, &call(&world, &ada, &bob), CallState::Ringing).await;
    let pushed = rung(&world, &bob, 1).await.remove(0);
    let payload = pushed.payload.to_string();
    assert_eq!(pushed.payload["godwit"]["kind"], "call_ringing");
    assert!(!payload.contains(&ada.user_id().to_string()) && !payload.contains("User "), "{payload}");
}
