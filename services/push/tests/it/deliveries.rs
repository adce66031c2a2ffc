use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_contract::push::v1::GetVapidKeyRequest;
use godwit_contract::v1::{ChatCreated, Update, update};
use godwit_kernel::Clock as _;
use godwit_testkit::eventually;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::browser::Received;
use crate::harness::{NEARBY, SOON, World};
use crate::peers::name_of;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_told_of_a_message() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    replica.publish(&world, &world.message(7, &ada, "hello")).await;

    let received = world.arrival(&bob).await;
    let message_id = world.message(7, &ada, "").change.map(|change| match change {
        update::Change::MessageCreated(created) => created.message.unwrap().id,
        _ => String::new(),
    });
    let expected = json!({
        "kind": "message_created",
        "chat_id": world.chat_id.to_string(),
        "message_id": message_id.unwrap(),
        "seq": "7",
        "sender_id": ada.caller.user_id.to_string(),
        "sender_name": name_of(&ada.caller.user_id.to_string()),
        "chat_title": "",
        "text": "hello",
        "attachment_count": 0,
        "is_silent": false,
        "is_mention": false,
        "actions": ["reply", "mark_read"],
    });
    assert_eq!(bob.decrypt(&received), expected);
    assert_eq!((received.header("content-encoding"), received.header("ttl")), ("aes128gcm", "86400"));
    assert_eq!(received.header("urgency"), "normal");
    assert!(received.header("topic").len() == 32 && !received.header("topic").contains('='));
    let _no_plain_text = std::str::from_utf8(&received.body).unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_of_rfc_8291_reads_it() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    replica.publish(&world, &world.message(1, &ada, "hellö")).await;
    let received = world.arrival(&bob).await;
    assert_eq!(bob.decrypt_independently(&received)["text"], "hellö");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_is_signed_with_the_deployments_key() {
    let world = World::new().await;
    let replica = world.start(&[NEARBY, &["--push-vapid-subject=mailto:ops@example.org"]].concat()).await;
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    replica.publish(&world, &world.message(1, &ada, "hello")).await;
    let public_key = replica.push().get_vapid_key(GetVapidKeyRequest {}).await.unwrap().into_inner().public_key;

    let (claims, key) = verified(&world.arrival(&bob).await);
    assert_eq!(key, public_key);
    assert_eq!((&claims["aud"], &claims["sub"]), (&json!(world.server.url), &json!("mailto:ops@example.org")));
    let lifetime = claims["exp"].as_i64().unwrap() - world.clock.now().unix_timestamp();
    assert!((3_600..=86_400).contains(&lifetime), "{lifetime} s");
}

/// The claims and the key of a VAPID signature (RFC 8292, section 3) that holds.
fn verified(received: &Received) -> (Value, String) {
    let parameters = received.header("authorization").strip_prefix("vapid ").unwrap();
    let parameter = |name: &str| {
        let found = parameters.split(',').find_map(|pair| pair.trim().strip_prefix(name).map(str::to_owned));
        found.unwrap()
    };
    let (token, key) = (parameter("t="), parameter("k="));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let public_key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, URL_SAFE_NO_PAD.decode(&key).unwrap());
    public_key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header["alg"], "ES256");
    (serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap(), key)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_device_of_every_member_is_told_but_not_the_sender_nor_strangers() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let members: Vec<_> = (0..5).map(|_| world.member()).collect();
    let mut second_device = world.stranger();
    second_device.caller.user_id = members[1].caller.user_id;
    let stranger = world.stranger();
    for browser in members.iter().chain([&second_device, &stranger]) {
        replica.register(browser, browser.subscription(&world.server)).await.unwrap();
    }
    let sender = &members[0];
    replica.publish(&world, &world.message(1, sender, "hello")).await;
    for browser in members[1..].iter().chain([&second_device]) {
        world.arrival(browser).await;
    }
    // The next message shows that the first is done with.
    replica.publish(&world, &world.message(2, &members[1], "hello yourself")).await;
    eventually(SOON, async || !world.server.at(sender).is_empty()).await;
    assert_eq!(sender.decrypt(&world.server.at(sender)[0])["seq"], "2");
    assert!(world.server.at(&stranger).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_is_not_sent_again() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    let hello = world.message(1, &ada, "hello");
    replica.publish(&world, &hello).await;
    world.arrival(&bob).await;
    replica.publish(&world, &hello).await;
    replica.publish(&world, &world.message(2, &ada, "again")).await;
    eventually(SOON, async || world.server.at(&bob).iter().any(|push| bob.decrypt(push)["seq"] == "2")).await;
    assert_eq!(world.server.at(&bob).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_of_a_chat_replace_each_other_and_no_others() {
    let mut world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    replica.publish(&world, &world.message(1, &ada, "one")).await;
    replica.publish(&world, &world.message(2, &ada, "two")).await;
    world.chat_id = godwit_kernel::ChatId::from_uuid(ada.caller.device_id.as_uuid());
    replica.publish(&world, &world.message(1, &ada, "elsewhere")).await;
    eventually(SOON, async || world.server.at(&bob).len() == 3).await;
    let topic = |text: &str| {
        let pushes = world.server.at(&bob);
        let found = pushes.iter().find(|push| bob.decrypt(push)["text"] == text);
        found.unwrap().header("topic").to_owned()
    };
    assert_eq!(topic("one"), topic("two"));
    assert_ne!(topic("one"), topic("elsewhere"));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_messages_and_other_updates_are_passed_over() {
    let world = World::new().await;
    let (ada, bob) = (world.member(), world.member());
    let old = world.message(2, &ada, "old");
    world.clock.advance(std::time::Duration::from_secs(86_400));
    let replica = world.start(NEARBY).await;
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    let created = Update {
        change: Some(update::Change::ChatCreated(ChatCreated::default())),
        seq: 1,
        ..world.message(1, &ada, "")
    };
    for update in [created, old, world.message(3, &ada, "new")] {
        replica.publish(&world, &update).await;
    }
    let received = world.arrival(&bob).await;
    assert_eq!(bob.decrypt(&received)["text"], "new");
    assert_eq!(world.server.at(&bob).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_shortened() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    replica.publish(&world, &world.message(1, &ada, &"é".repeat(4_096))).await;
    let text = bob.decrypt(&world.arrival(&bob).await)["text"].as_str().unwrap().to_owned();
    assert_eq!((text.chars().count(), text.ends_with("é…")), (160, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_deleted_their_account_is_not_named() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    world.peers.deleted.lock().unwrap().insert(ada.caller.user_id.to_string());
    replica.publish(&world, &world.message(1, &ada, "farewell")).await;
    let told = bob.decrypt(&world.arrival(&bob).await);
    assert_eq!((&told["sender_name"], &told["text"]), (&json!(""), &json!("farewell")));
}
