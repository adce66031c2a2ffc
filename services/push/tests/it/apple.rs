use std::time::Duration;

use godwit_contract::push::v1::PushProvider;
use godwit_kernel::{ChatId, Clock as _, SystemClock, SystemEntropy};
use godwit_testkit::eventually;
use serde_json::json;

use crate::harness::{NEARBY, Replica, SOON, World};
use crate::peers::name_of;
use crate::phone::Phone;
use crate::stage::Manner;
use crate::stage::apns::{Pushed, TOPIC};

async fn with_phone() -> (World, Replica, Phone, Phone) {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    replica.register_apple(&bob).await;
    (world, replica, ada, bob)
}

async fn arrivals(world: &World, phone: &Phone, count: usize) -> Vec<Pushed> {
    eventually(SOON, async || Some(world.apns.at(&phone.token)).filter(|pushed| pushed.len() >= count)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_shows_who_wrote_what_and_can_answer() {
    let (world, replica, ada, bob) = with_phone().await;
    world.peers.unread.lock().unwrap().insert(bob.user_id().to_string(), 7);
    let update = world.message_of(1, ada.user_id(), "hello");
    replica.publish(&world, &update).await;
    let pushed = arrivals(&world, &bob, 1).await.remove(0);
    assert_eq!((pushed.push_type.as_str(), pushed.priority.as_str(), pushed.topic.as_str()), ("alert", "10", TOPIC));
    assert_eq!(pushed.expiration, world.clock.now().unix_timestamp() + 86_400);
    assert!(!pushed.collapse_id.is_empty());
    let aps = &pushed.payload["aps"];
    let name = name_of(&ada.user_id().to_string());
    assert_eq!(aps["alert"], json!({"title": name, "body": "hello"}));
    assert_eq!((&aps["sound"], &aps["badge"], &aps["category"]), (&json!("default"), &json!(7), &json!("MESSAGE")));
    assert_eq!(aps["thread-id"], json!(world.chat_id.to_string()));
    // What the buttons need.
    let data = &pushed.payload["godwit"];
    assert_eq!((&data["kind"], &data["seq"]), (&json!("message_created"), &json!("1")));
    assert_eq!(data["chat_id"], json!(world.chat_id.to_string()));
    assert_eq!(data["actions"], json!(["reply", "mark_read"]));
    assert!(data["message_id"].as_str().is_some_and(|id| id.len() == 32));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_chat_share_a_collapse_id_and_chats_do_not() {
    let (world, replica, ada, bob) = with_phone().await;
    let bobs_other = Phone::of(bob.user_id());
    replica.register_apple(&bobs_other).await;
    let elsewhere = ChatId::generate(&SystemClock, &SystemEntropy);
    let messages = [(world.chat_id, 1), (elsewhere, 1), (world.chat_id, 2), (elsewhere, 2)];
    for (count, (chat_id, seq)) in (1..).zip(messages) {
        replica.publish(&world, &world.message_in(chat_id, seq, ada.user_id(), "hello")).await;
        arrivals(&world, &bob, count).await;
    }
    let ids = |pushed: Vec<Pushed>| pushed.into_iter().map(|pushed| pushed.collapse_id).collect::<Vec<String>>();
    let (of_bob, of_other) = (ids(arrivals(&world, &bob, 4).await), ids(arrivals(&world, &bobs_other, 4).await));
    assert_eq!(of_bob[..2], of_bob[2..], "messages of a chat have one place");
    assert_ne!(of_bob[0], of_bob[1], "chats have places apart");
    assert!(of_other.iter().all(|id| !of_bob.contains(id)), "nobody can tell who shares a chat");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_and_one_provider_token_serve_an_hour_and_no_longer() {
    let (world, replica, ada, bob) = with_phone().await;
    for seq in 1..=5 {
        replica.publish(&world, &world.message_of(seq, ada.user_id(), "hello")).await;
        arrivals(&world, &bob, usize::try_from(seq).unwrap()).await;
        world.clock.advance(Duration::from_secs(20 * 60));
    }
    let times: Vec<i64> = world.apns.at(&bob.token).iter().map(|pushed| pushed.iat).collect();
    let begin = times[0];
    // At 0, 20, 40, 60 and 80 minutes: renewed after 45, which is between the 20 and the 60 that Apple asks for.
    assert_eq!(times, [begin, begin, begin, begin + 3_600, begin + 3_600]);
    assert_eq!(world.apns.server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_token_that_apple_calls_expired_is_replaced_and_the_notification_sent() {
    let (world, replica, ada, bob) = with_phone().await;
    replica.publish(&world, &world.message_of(1, ada.user_id(), "one")).await;
    arrivals(&world, &bob, 1).await;
    world.clock.advance(Duration::from_secs(25 * 60));
    world.apns.expire_tokens();
    world.clock.advance(Duration::from_secs(1));
    replica.publish(&world, &world.message_of(2, ada.user_id(), "two")).await;
    let pushed = arrivals(&world, &bob, 2).await;
    assert_eq!(pushed[1].payload["godwit"]["seq"], "2");
    assert_ne!(pushed[0].iat, pushed[1].iat);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_over_is_dropped_but_not_one_that_was_registered_since() {
    let (world, replica, ada, bob) = with_phone().await;
    let cem = world.member_with_phone();
    replica.register_apple(&cem).await;
    let now_ms = world.clock.now().unix_timestamp() * 1_000;
    let gone = |timestamp: i64| Manner::refuse(410, json!({"reason": "Unregistered", "timestamp": timestamp}));
    world.apns.behave(&bob.token, Some(gone(now_ms + 1_000)));
    // Cem's app was installed anew after that.
    world.apns.behave(&cem.token, Some(gone(now_ms - 60_000)));
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    for phone in [&bob, &cem] {
        arrivals(&world, phone, 1).await;
    }
    eventually(SOON, async || world.number("SELECT count(*) FROM push_tokens").await == 1).await;
    // What Cem was to be told is not lost with the old installation.
    let waits = "SELECT count(*) FROM push_tokens WHERE paused_until IS NOT NULL";
    eventually(SOON, async || world.number(waits).await == 1).await;
    world.apns.behave(&cem.token, None);
    world.clock.advance(Duration::from_secs(8));
    let pushed = arrivals(&world, &cem, 2).await;
    assert_eq!(pushed[0].id, pushed[1].id);
    replica.publish(&world, &world.message_of(2, ada.user_id(), "hello again")).await;
    arrivals(&world, &cem, 3).await;
    assert_eq!(world.apns.at(&bob.token).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_is_dropped() {
    let (world, replica, ada, bob) = with_phone().await;
    world.apns.behave(&bob.token, Some(Manner::refuse(400, json!({"reason": "BadDeviceToken"}))));
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM push_tokens").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_gets_too_many_waits_as_long_as_apple_says_and_nobody_else_does() {
    let (world, replica, ada, bob) = with_phone().await;
    let cem = world.member_with_phone();
    replica.register_apple(&cem).await;
    let body = json!({"reason": "TooManyRequests"});
    world.apns.behave(&bob.token, Some(Manner::Refuse { status: 429, body, retry_after: Some("600") }));
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    arrivals(&world, &bob, 1).await;
    arrivals(&world, &cem, 1).await;
    let waits = "SELECT count(*) FROM push_tokens WHERE paused_until IS NOT NULL";
    eventually(SOON, async || world.number(waits).await == 1).await;
    world.apns.behave(&bob.token, None);
    world.clock.advance(Duration::from_secs(590));
    replica.publish(&world, &world.message_of(2, ada.user_id(), "hello")).await;
    arrivals(&world, &cem, 2).await;
    assert_eq!(world.apns.at(&bob.token).len(), 1);
    world.clock.advance(Duration::from_secs(11));
    let pushed = arrivals(&world, &bob, 3).await;
    assert_eq!(pushed[0].id, pushed[1].id, "another try of the same has the same id");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_apple_fails_it_is_left_alone_and_what_waits_is_sent_when_it_is_back() {
    let (world, replica, ada, bob) = with_phone().await;
    let others: Vec<Phone> = (0..12).map(|_| world.member_with_phone()).collect();
    for phone in &others {
        replica.register_apple(phone).await;
    }
    let fails = Manner::refuse(503, json!({"reason": "Shutdown"}));
    for phone in others.iter().chain([&bob]) {
        world.apns.behave(&phone.token, Some(fails.clone()));
    }
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM deliveries").await == 13).await;
    eventually(SOON, async || world.apns.all().len() >= 5).await;
    let claim_end = world.clock.now().unix_timestamp() + 30;
    let on_the_way = format!("SELECT count(*) FROM deliveries WHERE due_at = to_timestamp({claim_end})");
    eventually(SOON, async || world.number(&on_the_way).await == 0).await;
    // Time that goes by brings one try at a time, not one for each who waits.
    let before = world.apns.all().len();
    world.clock.advance(Duration::from_secs(120));
    eventually(SOON, async || world.apns.all().len() > before).await;
    assert!(world.apns.all().len() <= before + 2, "{} tries", world.apns.all().len());
    for phone in others.iter().chain([&bob]) {
        world.apns.behave(&phone.token, None);
    }
    let sent = "SELECT count(*) FROM deliveries WHERE state = 'sent'";
    eventually(SOON, async || {
        world.clock.advance(Duration::from_secs(10));
        world.number(sent).await == 13
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_checked_and_need_an_account() {
    let world = World::new().await;
    let (with, without) = (world.start_with_accounts().await, world.start(NEARBY).await);
    let bob = world.member_with_phone();
    let field = async |replica: &Replica, provider, token: &str| {
        let failure = replica.register_token(&bob, provider, token).await.unwrap_err();
        assert_eq!(failure.reason, "INVALID_ARGUMENT");
        failure.fields[0].field.clone()
    };
    assert_eq!(field(&with, PushProvider::Apns, "../../etc").await, "token");
    assert_eq!(field(&with, PushProvider::ApnsVoip, "").await, "token");
    assert_eq!(field(&with, PushProvider::Fcm, "a b").await, "token");
    assert_eq!(field(&with, PushProvider::Unspecified, "00ff").await, "provider");
    for provider in [PushProvider::Apns, PushProvider::ApnsVoip, PushProvider::Fcm] {
        assert_eq!(field(&without, provider, "00ff").await, "provider");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_has_one_device_and_a_device_one_way_to_be_told() {
    let (world, replica, ada, bob) = with_phone().await;
    // The same installation, after Bob logged out without telling and Eve logged in.
    let mut eve = Phone::of(godwit_kernel::UserId::from_uuid(ada.caller.device_id.as_uuid()));
    world.peers.members.lock().unwrap().insert(eve.user_id().to_string());
    eve.token = bob.token.clone();
    replica.register_apple(&eve).await;
    // A device that moves from one service to another.
    let cem = world.member_with_phone();
    replica.register_apple(&cem).await;
    replica.register_google(&cem).await;
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    eventually(SOON, async || world.fcm.at(&cem.token).len() == 1).await;
    arrivals(&world, &eve, 1).await;
    let sent = "SELECT count(*) FROM deliveries WHERE state = 'sent'";
    eventually(SOON, async || world.number(sent).await == 2).await;
    assert_eq!((world.apns.at(&eve.token).len(), world.apns.at(&cem.token).len()), (1, 0));

    replica.unregister_tokens(&cem).await;
    replica.publish(&world, &world.message_of(2, ada.user_id(), "hello")).await;
    arrivals(&world, &eve, 2).await;
    assert_eq!(world.fcm.at(&cem.token).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_is_never_answered_holds_up_no_other_phone() {
    let (world, replica, ada, bob) = with_phone().await;
    let cem = world.member_with_phone();
    replica.register_apple(&cem).await;
    world.apns.behave(&bob.token, Some(Manner::Hang));
    for seq in 1..=3 {
        replica.publish(&world, &world.message_of(seq, ada.user_id(), "hello")).await;
        arrivals(&world, &cem, usize::try_from(seq).unwrap()).await;
    }
    assert_eq!(world.apns.at(&bob.token).len(), 1, "one try of a device at a time");
}
