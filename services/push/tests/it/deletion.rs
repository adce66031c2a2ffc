use std::sync::atomic::Ordering;
use std::time::Duration;

use godwit_contract::v1::update::Change;
use godwit_testkit::eventually;

use crate::browser::{Browser, Manner};
use crate::harness::{NEARBY, Replica, SOON, World};

async fn subscribed(world: &World, replica: &Replica) -> (Browser, Browser) {
    let (ada, bob) = (world.member(), world.member());
    replica.register(&bob, bob.subscription(&world.server)).await.unwrap();
    (ada, bob)
}

/// The texts that a browser was told, in order.
fn told(world: &World, browser: &Browser) -> Vec<String> {
    let pushes = world.server.at(browser);
    pushes.iter().map(|push| browser.decrypt(push)["text"].as_str().unwrap().to_owned()).collect()
}

async fn number(world: &World, sql: &str) -> i64 {
    use diesel_async::RunQueryDsl as _;

    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }
    let pool = world.db.pool(&godwit_push::store::SCHEMA);
    let query = diesel::sql_query(format!("SELECT ({sql})::bigint AS number"));
    query.get_result::<Row>(&mut *pool.get().await.unwrap()).await.unwrap().number
}

/// A device that was asked to wait, with a notification that waits for it.
async fn waiting(world: &World, replica: &Replica) -> (Browser, Browser) {
    let (ada, bob) = subscribed(world, replica).await;
    world.server.behave(&bob, Manner::Busy { retry_after: "600".to_owned() });
    replica.publish(world, &world.message(1, &ada, "regretted")).await;
    world.arrival(&bob).await;
    world.server.behave(&bob, Manner::Status(201));
    let again = "SELECT count(*) FROM web_push_subscriptions WHERE paused_until IS NOT NULL";
    eventually(SOON, async || number(world, again).await == 1).await;
    (ada, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_deleted_before_it_is_sent_again_is_told_to_nobody() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = waiting(&world, &replica).await;
    // The stream is late: only the message service knows.
    world.delete(1);
    world.clock.advance(Duration::from_secs(601));
    replica.publish(&world, &world.message(2, &ada, "kept")).await;
    eventually(SOON, async || told(&world, &bob) == ["regretted", "kept"]).await;
    eventually(SOON, async || number(&world, "SELECT count(*) FROM deliveries WHERE seq = 1").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_drops_what_waits() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = waiting(&world, &replica).await;
    replica.publish(&world, &world.message(2, &ada, "also regretted")).await;
    eventually(SOON, async || number(&world, "SELECT count(*) FROM deliveries").await == 2).await;
    replica.publish(&world, &world.delete(1)).await;
    eventually(SOON, async || number(&world, "SELECT count(*) FROM deliveries").await == 1).await;
    replica.publish(&world, &world.delete_chat()).await;
    eventually(SOON, async || number(&world, "SELECT count(*) FROM notifications").await == 0).await;
    assert_eq!(told(&world, &bob), ["regretted"], "what was sent before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_overtakes_its_message_is_not_undone_by_it() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = subscribed(&world, &replica).await;
    let late = world.message(1, &ada, "regretted");
    replica.publish(&world, &world.delete(1)).await;
    replica.publish(&world, &late).await;
    replica.publish(&world, &world.message(3, &ada, "kept")).await;
    eventually(SOON, async || told(&world, &bob) == ["kept"]).await;
    eventually(SOON, async || number(&world, "SELECT count(*) FROM deliveries WHERE seq = 1").await == 0).await;
    assert_eq!(told(&world, &bob), ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_what_the_message_says_when_it_is_sent() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = waiting(&world, &replica).await;
    world.message(1, &ada, "corrected");
    world.clock.advance(Duration::from_secs(601));
    eventually(SOON, async || told(&world, &bob) == ["regretted", "corrected"]).await;
    let kept = "SELECT count(*) FROM notifications WHERE octet_length(payload) > 0";
    assert_eq!(number(&world, kept).await, 0, "no text is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_message_says_so_and_a_deleted_one_is_told_to_nobody() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (ada, bob) = subscribed(&world, &replica).await;
    for (seq, is_silent) in [(1, true), (2, false)] {
        let mut update = world.message(seq, &ada, "quiet");
        let Some(Change::MessageCreated(created)) = &mut update.change else { unreachable!("a message") };
        let message = created.message.as_mut().unwrap();
        (message.is_silent, message.is_deleted) = (is_silent, !is_silent);
        let known = message.clone();
        world.peers.messages.lock().unwrap().insert(known.id.clone(), known);
        replica.publish(&world, &update).await;
    }
    replica.publish(&world, &world.message(3, &ada, "loud")).await;
    eventually(SOON, async || told(&world, &bob).len() == 2).await;
    assert_eq!(told(&world, &bob), ["quiet", "loud"]);
    let pushes = world.server.at(&bob);
    let urgency: Vec<&str> = pushes.iter().map(|push| push.header("urgency")).collect();
    assert_eq!(urgency, ["low", "normal"]);
    assert_eq!(bob.decrypt(&pushes[0])["is_silent"], serde_json::Value::Bool(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_messages_cannot_be_asked_for_deliveries_wait_untried() {
    let world = World::new().await;
    let replica = world.start(NEARBY).await;
    let (_, bob) = waiting(&world, &replica).await;
    world.peers.away.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(601));
        let seen = world.peers.refused.load(Ordering::SeqCst);
        eventually(SOON, async || world.peers.refused.load(Ordering::SeqCst) > seen).await;
    }
    world.peers.away.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(10));
    eventually(SOON, async || world.server.at(&bob).len() == 2).await;
    assert_eq!(number(&world, "SELECT max(attempt_count) FROM deliveries").await, 2, "being refused is no try");
}
