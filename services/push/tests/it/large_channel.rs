//! A channel whose subscribers are never in memory together.

use std::sync::atomic::Ordering;
use std::time::Duration;

use godwit_contract::v1::ChatKind;
use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use godwit_testkit::eventually;

use crate::harness::{NEARBY, SOON, World};

const SUBSCRIBERS: usize = 100_000;
/// Of a page of members, as push asks for them.
const PAGE: usize = 1_000;
/// Every tenth subscriber has a phone.
const REACHABLE: usize = PAGE / 10;
/// After so many pages chat does not answer for a while.
const PAGES_FIRST: usize = 40;

fn subscriber(number: usize) -> String {
    format!("00000000-0000-7000-8000-{number:012x}")
}

/// The subscribers, and phones of Google's: without an account there nothing is sent, and all that is made stays.
async fn subscribe(world: &World) {
    *world.peers.facts.lock().unwrap() = (ChatKind::Channel, "News".to_owned(), false);
    *world.peers.page_size.lock().unwrap() = Some(PAGE);
    world.peers.members.lock().unwrap().extend((1..=SUBSCRIBERS).map(subscriber));
    let phones = format!(
        "INSERT INTO push_tokens (device_id, purpose, provider, user_id, session_id, token, registered_at) \
         SELECT id, 'alert', 'fcm', id, id, 'token-' || number, now() FROM ( \
             SELECT number, ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid AS id \
             FROM generate_series(10, {SUBSCRIBERS}, 10) AS number \
         ) AS phones"
    );
    world.execute(&phones).await;
}

/// How many deliveries there are; not fewer than the pages of members that were given, but for the one in memory.
async fn made(world: &World) -> usize {
    // The first page shows how large the channel is.
    let given = world.peers.pages.load(Ordering::SeqCst).saturating_sub(1);
    let made = usize::try_from(world.number("SELECT count(*) FROM deliveries").await).unwrap();
    assert!(made >= given.saturating_sub(1) * REACHABLE, "{made} deliveries after {given} pages");
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_of_a_hundred_thousand_is_told_page_by_page() {
    let world = World::new().await;
    subscribe(&world).await;
    let replica = world.start(NEARBY).await;
    *world.peers.pages_max.lock().unwrap() = Some(1 + PAGES_FIRST);
    let sender = UserId::generate(&SystemClock, &SystemEntropy);
    replica.publish(&world, &world.message_of(1, sender, "hear ye")).await;
    eventually(SOON * 2, async || {
        made(&world).await;
        world.peers.refused.load(Ordering::SeqCst) > 0
    })
    .await;
    // All that was looked at is kept, with the place where to go on: a process that ended now would lose nothing.
    assert_eq!(made(&world).await, PAGES_FIRST * REACHABLE);
    let last = subscriber(PAGES_FIRST * PAGE);
    let place = format!("SELECT count(*) FROM notifications WHERE fan_out_after = '{last}'");
    assert_eq!(world.number(&place).await, 1);

    *world.peers.pages_max.lock().unwrap() = None;
    let before = world.peers.pages.load(Ordering::SeqCst);
    eventually(SOON, async || {
        world.clock.advance(Duration::from_secs(1));
        world.peers.pages.load(Ordering::SeqCst) > before
    })
    .await;
    eventually(SOON * 2, async || made(&world).await == SUBSCRIBERS / 10).await;
    let unfinished = "SELECT count(*) FROM notifications WHERE fan_out_due_at IS NOT NULL";
    eventually(SOON, async || world.number(unfinished).await == 0).await;
    assert_eq!(world.number("SELECT count(DISTINCT device_id) FROM deliveries").await, 10_000);
    assert_eq!(world.peers.largest_page.load(Ordering::SeqCst), PAGE);
    assert_eq!(world.peers.largest_check.load(Ordering::SeqCst), REACHABLE);
    assert_eq!(world.peers.pages.load(Ordering::SeqCst), 1 + SUBSCRIBERS / PAGE, "each page once");
}
