use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Record, dead_letter, topics};
use godwit_push::domain::ATTEMPTS_MAX;
use godwit_testkit::eventually;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::browser::{Browser, Manner};
use crate::harness::{NEARBY, Replica, SOON, World};
use crate::phone::Phone;
use crate::stage;

async fn subscribed(world: &World, replica: &Replica) -> (Browser, Browser) {
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    (ada, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_gone_is_dropped() {
    for status in [404, 410] {
        let world = World::new().await;
        let replica = world.start(NEARBY).await;
        let (ada, bob) = subscribed(&world, &replica).await;
        let witness = world.member();
        replica.register(&witness, witness.subscription(&world.server)).await.unwrap();
        world.server.behave(&bob, Manner::Status(status));
        replica.publish(&world, &world.message(1, &ada, "one")).await;
        world.arrival(&bob).await;
        world.arrival(&witness).await;
        replica.publish(&world, &world.message(2, &ada, "two")).await;
        eventually(SOON, async || world.server.at(&witness).len() == 2).await;
        world.clock.advance(Duration::from_secs(3_600));
        replica.publish(&world, &world.message(3, &ada, "three")).await;
        eventually(SOON, async || world.server.at(&witness).len() == 3).await;
        assert_eq!(world.server.at(&bob).len(), 1, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_push_service_is_asked_again_when_it_said() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = subscribed(&world, &replica).await;
    let witness = world.member();
    replica.register(&witness, witness.subscription(&world.server)).await.unwrap();
    world.server.behave(&bob, Manner::Busy { retry_after: "600".to_owned() });
    replica.publish(&world, &world.message(1, &ada, "one")).await;
    world.arrival(&bob).await;
    world.server.behave(&bob, Manner::Status(201));

    // Neither this message nor the next is sent before.
    eventually(SOON, async || claimed(&world).await == 0).await;
    world.clock.advance(Duration::from_secs(590));
    replica.publish(&world, &world.message(2, &ada, "two")).await;
    eventually(SOON, async || world.server.at(&witness).len() == 2).await;
    assert_eq!(world.server.at(&bob).len(), 1);
    world.clock.advance(Duration::from_secs(20));
    eventually(SOON, async || world.server.at(&bob).len() == 3).await;
    eventually(SOON, async || pending(&world).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_service_that_keeps_failing_is_given_up() {
    let world = World::new().await;
    let replica = world.start(&[NEARBY, &["--push-ttl-secs=2419200"]].concat()).await;
    let (ada, bob) = subscribed(&world, &replica).await;
    world.server.behave(&bob, Manner::Status(503));
    replica.publish(&world, &world.message(1, &ada, "one")).await;
    let tries = usize::try_from(ATTEMPTS_MAX).unwrap();
    for attempt in 1..=tries {
        eventually(SOON, async || world.server.at(&bob).len() == attempt).await;
        eventually(SOON, async || claimed(&world).await == 0).await;
        world.clock.advance(Duration::from_secs(3_600));
    }
    eventually(SOON, async || pending(&world).await == 0).await;
    assert_eq!(world.server.at(&bob).len(), tries);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_push_service_refuses_is_not_tried_again_and_no_redirect_is_followed() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = subscribed(&world, &replica).await;
    let elsewhere = world.stranger();
    world.server.behave(&bob, Manner::Redirect { to: format!("{}{}", world.server.url, elsewhere.path) });
    replica.publish(&world, &world.message(1, &ada, "one")).await;
    world.arrival(&bob).await;
    eventually(SOON, async || pending(&world).await == 0).await;
    assert_eq!((world.server.at(&bob).len(), world.server.at(&elsewhere).len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_service_that_does_not_answer_holds_up_nobody_else() {
    let world = World::new().await;
    let replica = world.start(&[NEARBY, &["--push-concurrency=2"]].concat()).await;
    let (ada, slow) = subscribed(&world, &replica).await;
    let witness = world.member();
    replica.register(&witness, witness.subscription(&world.server)).await.unwrap();
    world.server.behave(&slow, Manner::Hang);
    for seq in 1..=5 {
        replica.publish(&world, &world.message(seq, &ada, "hello")).await;
    }
    eventually(SOON, async || world.server.at(&witness).len() == 5).await;
    assert_eq!(world.server.at(&slow).len(), 1, "one try of a device at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_service_that_fails_is_left_alone_and_the_others_are_not() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, browser, android) = (world.member(), world.member(), world.member_with_phone());
    replica.register(&browser, browser.subscription(&world.server)).await.unwrap();
    replica.register_google(&android).await;
    let iphones: Vec<Phone> = (0..8).map(|_| world.member_with_phone()).collect();
    let fails = stage::Manner::refuse(503, json!({"reason": "Shutdown"}));
    for phone in &iphones {
        replica.register_apple(phone).await;
        world.apns.behave(&phone.token, Some(fails.clone()));
    }
    replica.publish(&world, &world.message(1, &ada, "one")).await;
    eventually(SOON, async || count(&world, "seq = 1").await == 10).await;
    // Five failures in a row.
    eventually(SOON, async || world.apns.all().len() >= 5 && claimed(&world).await == 0).await;
    let tries = world.apns.all().len();
    replica.publish(&world, &world.message(2, &ada, "two")).await;
    eventually(SOON, async || count(&world, "seq = 2").await == 10).await;
    eventually(SOON, async || world.server.at(&browser).len() == 2 && world.fcm.at(&android.token).len() == 2).await;
    assert_eq!(world.apns.all().len(), tries, "Apple is left alone");
    assert_eq!(count(&world, "provider = 'apns' AND seq = 2 AND state = 'pending' AND attempt_count = 0").await, 8);
    for phone in &iphones {
        world.apns.behave(&phone.token, None);
    }
    eventually(SOON, async || {
        world.clock.advance(Duration::from_secs(10));
        count(&world, "state = 'sent'").await == 20
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_claimer_died_is_made_by_another() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = subscribed(&world, &replica).await;
    world.server.behave(&bob, Manner::Hang);
    replica.publish(&world, &world.message(1, &ada, "hello")).await;
    world.arrival(&bob).await;
    replica.platform.tasks.stop(godwit_runtime::Stage::Work, tokio::time::Instant::now()).await;
    drop(replica);
    world.server.behave(&bob, Manner::Status(201));
    let _heir = world.start(NEARBY).await;
    world.clock.advance(Duration::from_secs(60));
    eventually(SOON, async || world.server.at(&bob).len() == 2).await;
    eventually(SOON, async || pending(&world).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_wait_while_other_services_are_away() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = subscribed(&world, &replica).await;
    world.peers.away.store(true, Ordering::SeqCst);
    replica.publish(&world, &world.message(1, &ada, "patience")).await;
    // More often than one handling of the batch asks.
    eventually(SOON, async || {
        world.clock.advance(Duration::from_secs(1));
        world.peers.refused.load(Ordering::SeqCst) > 10
    })
    .await;
    assert!(world.server.at(&bob).is_empty());
    world.peers.away.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(bob.decrypt(&world.arrival(&bob).await)["text"], "patience");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_becomes_a_dead_letter() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = subscribed(&world, &replica).await;
    replica.publish_bytes(&world, b"\xff\xff not an update".to_vec()).await;
    let mut broken = world.message(1, &ada, "");
    if let Some(godwit_contract::v1::update::Change::MessageCreated(created)) = &mut broken.change {
        created.message.as_mut().unwrap().id = "nonsense".to_owned();
    }
    replica.publish(&world, &broken).await;
    replica.publish(&world, &world.message(2, &ada, "fine")).await;
    assert_eq!(bob.decrypt(&world.arrival(&bob).await)["text"], "fine");
    let letters = dead_letters(&replica, 2).await;
    let reasons: Vec<&str> = letters.iter().filter_map(|letter| letter.header(dead_letter::REASON)).collect();
    assert_eq!(reasons, ["not a godwit.v1.Update", "no message id"]);
}

async fn dead_letters(replica: &Replica, count: usize) -> Vec<Record> {
    struct Reader(Arc<Mutex<Vec<Record>>>);

    #[async_trait]
    impl BatchHandler for Reader {
        async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
            self.0.lock().unwrap().extend_from_slice(batch);
            Ok(())
        }
    }

    let found = Arc::new(Mutex::new(Vec::new()));
    let group = ConsumerGroup { name: "test.dead-letters", topics: vec![&topics::DEAD_LETTERS], max_batch: 10 };
    let reading =
        replica.platform.events.consume(group, Arc::new(Reader(Arc::clone(&found))), CancellationToken::new());
    tokio::select! {
        ended = reading => ended.unwrap(),
        () = eventually(SOON, async || found.lock().unwrap().len() == count) => {}
    }
    found.lock().unwrap().clone()
}

async fn count(world: &World, condition: &str) -> i64 {
    use diesel_async::RunQueryDsl as _;

    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let pool = world.db.pool(&godwit_push::store::SCHEMA);
    let query = diesel::sql_query(format!("SELECT count(*) FROM deliveries WHERE {condition}"));
    let row: Row = query.get_result(&mut *pool.get().await.unwrap()).await.unwrap();
    row.count
}

/// Deliveries that are not done with.
async fn pending(world: &World) -> i64 {
    count(world, "state = 'pending'").await
}

/// Deliveries that are on their way: until the end of a claim, 30 s.
async fn claimed(world: &World) -> i64 {
    use godwit_kernel::Clock as _;
    let now = world.clock.now().unix_timestamp();
    count(world, &format!("state = 'pending' AND extract(epoch FROM due_at) = {now} + 30")).await
}
