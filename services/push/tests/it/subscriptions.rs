use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use godwit_contract::events::v1::{LivePayload, SessionRevoked, live_payload};
use godwit_contract::push::v1::{GetVapidKeyRequest, RegisterWebPushRequest};
use godwit_live::Channel;
use godwit_rpc::Failure;
use godwit_testkit::eventually;
use prost::Message as _;
use tonic::Code;

use crate::harness::{NEARBY, Replica, SOON, World};

async fn vapid_key(replica: &Replica) -> String {
    replica.push().get_vapid_key(GetVapidKeyRequest {}).await.unwrap().into_inner().public_key
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_has_the_same_key_for_ever() {
    let world = World::new().await;
    let (one, other) = (world.start(NEARBY).await, world.start(NEARBY).await);
    let keys = tokio::join!(vapid_key(&one), vapid_key(&other));
    assert_eq!(keys.0, keys.1);
    let point = URL_SAFE_NO_PAD.decode(&keys.0).unwrap();
    assert_eq!((point.len(), point[0]), (65, 4));
    assert_eq!(vapid_key(&world.start(NEARBY).await).await, keys.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_key_is_used() {
    let world = World::new().await;
    let kept = vapid_key(&world.start(NEARBY).await).await;
    let option = format!("--push-vapid-private-key={}", URL_SAFE_NO_PAD.encode([7; 32]));
    let configured = vapid_key(&world.start(&[&option]).await).await;
    assert_ne!(kept, configured);
    assert_eq!(vapid_key(&world.start(&[&option]).await).await, configured);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_subscriptions_are_refused_by_field() {
    let world = World::new().await;
    let replica = world.start(&[]).await;
    let browser = world.member();
    let good = RegisterWebPushRequest {
        endpoint: "https://push.example.org/x".to_owned(),
        ..browser.subscription(&world.server)
    };
    let with_endpoint = |endpoint: &str| RegisterWebPushRequest { endpoint: endpoint.to_owned(), ..good.clone() };
    let cases = [
        ("endpoint", with_endpoint("")),
        ("endpoint", with_endpoint("http://push.example.org/x")),
        ("endpoint", with_endpoint(&format!("https://push.example.org/{}", "x".repeat(2_048)))),
        ("endpoint", with_endpoint("https://10.0.0.1/x")),
        ("endpoint", with_endpoint("https://169.254.169.254/latest")),
        ("endpoint", with_endpoint("https://[::1]/x")),
        ("endpoint", with_endpoint("https://localhost/x")),
        ("endpoint", with_endpoint(&browser.subscription(&world.server).endpoint)),
        ("p256dh", RegisterWebPushRequest { p256dh: String::new(), ..good.clone() }),
        ("p256dh", RegisterWebPushRequest { p256dh: URL_SAFE_NO_PAD.encode([4; 65]), ..good.clone() }),
        ("auth", RegisterWebPushRequest { auth: URL_SAFE_NO_PAD.encode([4; 15]), ..good.clone() }),
        ("auth", RegisterWebPushRequest { auth: "!".to_owned(), ..good.clone() }),
    ];
    for (field, request) in cases {
        let failure = replica.register(&browser, request.clone()).await.unwrap_err();
        assert_eq!((failure.code, failure.reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"), "{request:?}");
        assert_eq!(failure.fields[0].field, field, "{request:?}");
    }
    replica.register(&browser, good).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_without_a_session() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let subscription = world.member().subscription(&world.server);
    let refused = replica.push().register_web_push(subscription).await.unwrap_err();
    assert_eq!(Failure::from_status(&refused).reason, "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_unregistered_is_told_nothing() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob, witness) = (world.member(), world.member(), world.member());
    for browser in [&bob, &witness] {
        replica.register(browser, browser.subscription(&world.server)).await.unwrap();
    }
    replica.unregister(&bob).await;
    replica.unregister(&bob).await;
    replica.publish(&world, &world.message(1, &ada, "hello")).await;
    world.arrival(&witness).await;
    assert!(world.server.at(&bob).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_subscription_of_a_device_replaces_the_one_before() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, before) = (world.member(), world.member());
    let mut after = world.stranger();
    after.caller = before.caller;
    replica.register(&before, before.subscription(&world.server)).await.unwrap();
    replica.register(&after, after.subscription(&world.server)).await.unwrap();
    replica.publish(&world, &world.message(1, &ada, "hello")).await;
    assert_eq!(after.decrypt(&world.arrival(&after).await)["text"], "hello");
    assert!(world.server.at(&before).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_after_another_in_a_browser_is_not_told_of_the_others_messages() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob, witness) = (world.member(), world.member(), world.member());
    // The same browser, endpoint and keys; another user with a device id of their own.
    let eve = world.stranger();
    for browser in [&bob, &witness] {
        replica.register(browser, browser.subscription(&world.server)).await.unwrap();
    }
    replica.register(&eve, bob.subscription(&world.server)).await.unwrap();
    replica.publish(&world, &world.message(1, &ada, "for bob only")).await;
    world.arrival(&witness).await;
    assert!(world.server.at(&bob).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_ends_with_its_login() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob, witness) = (world.member(), world.member(), world.member());
    for browser in [&bob, &witness] {
        replica.register(browser, browser.subscription(&world.server)).await.unwrap();
    }
    let news = LivePayload {
        payload: Some(live_payload::Payload::SessionRevoked(SessionRevoked {
            session_id: bob.caller.session_id.to_string(),
            user_id: bob.caller.user_id.to_string(),
        })),
    };
    // The channel may not be listened to yet: live news may be lost, so they are told until they are heard.
    eventually(SOON, async || {
        let payload = Bytes::from(news.encode_to_vec());
        replica.platform.live.publish(vec![(Channel::Sessions, payload)]).await.unwrap();
        subscriptions(&world).await == 1
    })
    .await;
    replica.publish(&world, &world.message(1, &ada, "hello")).await;
    world.arrival(&witness).await;
    assert!(world.server.at(&bob).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_that_was_missed_is_asked_for() {
    let world = World::new().await;
    let others: Vec<_> = (0..5).map(|_| world.member()).collect();
    let bob = world.member();
    let replica = world.start(NEARBY).await;
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    assert_eq!(subscriptions(&world).await, 1);
    // Bob's is the last of several pages.
    let over = others.iter().chain([&bob]).map(|browser| browser.caller.session_id.to_string());
    world.peers.revoked_sessions.lock().unwrap().extend(over);
    let _restarted = world.start(NEARBY).await;
    eventually(SOON, async || subscriptions(&world).await == 0).await;
}

async fn subscriptions(world: &World) -> i64 {
    use diesel_async::RunQueryDsl as _;

    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let pool = world.db.pool(&godwit_push::store::SCHEMA);
    let query = diesel::sql_query("SELECT count(*) FROM web_push_subscriptions");
    let row: Row = query.get_result(&mut *pool.get().await.unwrap()).await.unwrap();
    row.count
}
