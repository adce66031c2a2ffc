//! What an operator is told of notifications.

use std::time::Duration;

use godwit_contract::v1::CallState;
use godwit_runtime::Stage;
use godwit_testkit::eventually;
use serde_json::json;
use tokio::time::Instant;

use crate::calls::{alert, call};
use crate::harness::{NEARBY, Replica, SOON, World};
use crate::meters::Meters;
use crate::stage::Manner;

async fn all_shown(meters: &Meters, lines: &[&str]) {
    for line in lines {
        eventually(SOON, async || meters.shows(line)).await;
    }
}

/// Ends a replica's work, so that it does not measure any more.
async fn stop(replica: Replica) {
    replica.platform.tasks.stop(Stage::Work, Instant::now()).await;
}

// On one thread, workers too, whose metrics are then those of this test alone. What waits is measured when a replica starts,
// and by one without accounts, which sends nothing of it.
#[tokio::test]
async fn what_waits_how_long_and_for_whom_is_measured() {
    let meters = Meters::default();
    let guard = metrics::set_default_local_recorder(&meters);
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob, eve) = (world.member_with_phone(), world.member_with_phone(), world.member_with_phone());
    replica.register_apple(&bob).await;
    replica.register_google(&eve).await;
    all_shown(
        &meters,
        &[
            "godwit_push_breaker_open{provider=\"apns\",kind=\"messages\"} 0",
            "godwit_push_breaker_open{provider=\"apns\",kind=\"cues\"} 0",
            "godwit_push_backlog{provider=\"apns\"} 0",
            "godwit_push_oldest_due_seconds{provider=\"apns\"} 0",
            "godwit_push_addresses_total{change=\"registered\"} 2",
        ],
    )
    .await;

    let body = json!({"reason": "Shutdown"});
    world.apns.behave(&bob.token, Some(Manner::Refuse { status: 503, body, retry_after: Some("300") }));
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    alert(&replica, &call(&world, &ada, &bob), CallState::Ringing).await;
    all_shown(
        &meters,
        &[
            "godwit_push_breaker_open{provider=\"apns\",kind=\"messages\"} 1",
            "godwit_push_breaker_open{provider=\"apns\",kind=\"cues\"} 1",
            "godwit_push_breaker_open{provider=\"fcm\",kind=\"messages\"} 0",
            "godwit_push_enqueued_total 2",
            "godwit_push_deliveries_total{provider=\"apns\",outcome=\"released\"} 1",
            "godwit_push_deliveries_total{provider=\"fcm\",outcome=\"sent\"} 1",
            "godwit_push_cues_total{provider=\"apns\",outcome=\"postponed\"} 1",
        ],
    )
    .await;

    stop(replica).await;
    world.clock.advance(Duration::from_secs(40));
    let witness = world.start(NEARBY).await;
    all_shown(
        &meters,
        &[
            "godwit_push_backlog{provider=\"apns\"} 1",
            "godwit_push_oldest_due_seconds{provider=\"apns\"} 40",
            "godwit_push_backlog{provider=\"fcm\"} 0",
            "godwit_push_oldest_due_seconds{provider=\"fcm\"} 0",
        ],
    )
    .await;

    stop(witness).await;
    world.apns.behave(&bob.token, None);
    let heir = world.start_with_accounts().await;
    all_shown(
        &meters,
        &[
            "godwit_push_deliveries_total{provider=\"apns\",outcome=\"sent\"} 1",
            "godwit_push_cues_total{provider=\"apns\",outcome=\"sent\"} 1",
            "godwit_push_breaker_open{provider=\"apns\",kind=\"messages\"} 0",
            "godwit_push_breaker_open{provider=\"apns\",kind=\"cues\"} 0",
            "godwit_push_age_seconds_count{provider=\"apns\"} 1",
            "godwit_push_age_seconds_sum{provider=\"apns\"} 40",
            "godwit_push_send_seconds_count{provider=\"apns\"} 4",
        ],
    )
    .await;
    stop(heir).await;
    let _witness = world.start(NEARBY).await;
    all_shown(
        &meters,
        &["godwit_push_backlog{provider=\"apns\"} 0", "godwit_push_oldest_due_seconds{provider=\"apns\"} 0"],
    )
    .await;
    drop(guard);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_who_was_told_go_when_their_time_is_over() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob, eve) = (world.member_with_phone(), world.member_with_phone(), world.member_with_phone());
    for phone in [&bob, &eve] {
        replica.register_apple(phone).await;
    }
    let body = json!({"reason": "TooManyRequests"});
    world.apns.behave(&eve.token, Some(Manner::Refuse { status: 429, body, retry_after: Some("600") }));
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    let waits = "SELECT count(*) FROM push_tokens WHERE paused_until IS NOT NULL";
    eventually(SOON, async || world.number(waits).await == 1).await;
    let records =
        async |condition: &str| world.number(&format!("SELECT count(*) FROM deliveries WHERE {condition}")).await;
    eventually(SOON, async || records("state = 'sent'").await == 1).await;
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM cues").await == 1).await;
    stop(replica).await;

    // Too late to tell: what waits is given up, and it is known still who was told.
    world.clock.advance(Duration::from_secs(86_401));
    let heir = world.start(NEARBY).await;
    eventually(SOON, async || records("state = 'failed' AND outcome = 'expired'").await == 1).await;
    assert_eq!((records("state = 'sent'").await, records("state = 'pending'").await), (1, 0));
    stop(heir).await;

    world.clock.advance(Duration::from_secs(86_401));
    let _heir = world.start(NEARBY).await;
    let kept = "SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM notifications) \
                + (SELECT count(*) FROM cues) + (SELECT count(*) FROM read_cursors)";
    eventually(SOON, async || world.number(kept).await == 0).await;
    assert_eq!(world.number("SELECT count(*) FROM push_tokens").await, 2, "whom to tell is known still");
}
