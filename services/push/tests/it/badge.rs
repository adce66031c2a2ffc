//! The number at the app's icon.

use std::time::Duration;

use godwit_kernel::{ChatId, Clock as _, SystemClock, SystemEntropy};
use godwit_testkit::eventually;
use serde_json::{Value, json};

use crate::harness::{Replica, SOON, World};
use crate::peers::OtherChat;
use crate::phone::Phone;

/// Chats whose messages are counted.
const COUNTED: u32 = 200;

async fn with_phone() -> (World, Replica, Phone, Phone) {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    replica.register_apple(&bob).await;
    world.peers.unread.lock().unwrap().insert(bob.user_id().to_string(), 7);
    (world, replica, ada, bob)
}

/// Another chat of everybody, so many seconds ago.
fn chat(world: &World, unread_count: u32, is_muted: bool, age_secs: u32) -> String {
    let chat_id = ChatId::generate(&SystemClock, &SystemEntropy).to_string();
    let active_at = world.clock.now() - Duration::from_secs(age_secs.into());
    let other = OtherChat { unread_count, is_muted, active_at };
    world.peers.other_chats.lock().unwrap().insert(chat_id.clone(), other);
    chat_id
}

/// The badge that comes with a message.
async fn badge(world: &World, replica: &Replica, seq: u64, sender: &Phone, phone: &Phone) -> Value {
    replica.publish(world, &world.message_of(seq, sender.user_id(), "hello")).await;
    let is_it = |payload: &Value| payload["godwit"]["seq"] == json!(seq.to_string());
    let pushed =
        eventually(SOON, async || world.apns.at(&phone.token).into_iter().find(|pushed| is_it(&pushed.payload)));
    pushed.await.payload["aps"]["badge"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_badge_counts_the_unread_messages_of_all_chats_but_the_muted_ones() {
    let (world, replica, ada, bob) = with_phone().await;
    chat(&world, 5, false, 60);
    let muted = chat(&world, 11, true, 60);
    assert_eq!(badge(&world, &replica, 1, &ada, &bob).await, json!(12));
    if let Some(chat) = world.peers.other_chats.lock().unwrap().get_mut(&muted) {
        chat.is_muted = false;
    }
    assert_eq!(badge(&world, &replica, 2, &ada, &bob).await, json!(23));
    chat(&world, 20_000, false, 60);
    assert_eq!(badge(&world, &replica, 3, &ada, &bob).await, json!(9_999));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_chats_the_badge_counts_those_that_were_active_last() {
    let (world, replica, ada, bob) = with_phone().await;
    // The chat itself is one of those that count. Every other one of the rest is muted, the first too.
    for age_secs in 1..COUNTED {
        chat(&world, 1, age_secs % 2 == 1, age_secs);
    }
    for age_secs in COUNTED..COUNTED + 50 {
        chat(&world, 1_000, false, age_secs);
    }
    assert_eq!(badge(&world, &replica, 1, &ada, &bob).await, json!(7 + 99));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_elsewhere_sets_the_badge_without_the_muted_chats() {
    let (world, replica, ada, bob) = with_phone().await;
    chat(&world, 3, false, 60);
    chat(&world, 50, true, 60);
    assert_eq!(badge(&world, &replica, 1, &ada, &bob).await, json!(10));
    let sent = "SELECT count(*) FROM deliveries WHERE state = 'sent'";
    eventually(SOON, async || world.number(sent).await == 1).await;
    world.peers.unread.lock().unwrap().clear();
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM cues").await == 1).await;
    world.clock.advance(Duration::from_secs(3));
    let read = eventually(SOON, async || world.apns.at(&bob.token).get(1).cloned()).await;
    assert_eq!(read.payload["aps"], json!({"badge": 3, "content-available": 1}));
}
