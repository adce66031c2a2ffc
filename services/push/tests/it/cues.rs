//! What devices are told besides messages.

use std::sync::Arc;
use std::time::Duration;

use godwit_testkit::eventually;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::harness::{Replica, SOON, World};
use crate::phone::Phone;
use crate::stage::Manner;
use crate::stage::apns::Pushed;

/// What a phone was told of this kind, in order.
fn of_kind(world: &World, phone: &Phone, kind: &str) -> Vec<Pushed> {
    let pushed = world.apns.at(&phone.token).into_iter();
    pushed.filter(|pushed| pushed.payload["godwit"]["kind"] == kind).collect()
}

async fn shown(world: &World, replica: &Replica, count: u64) -> (Phone, Phone) {
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    replica.register_apple(&bob).await;
    for seq in 1..=count {
        replica.publish(world, &world.message_of(seq, ada.user_id(), "hello")).await;
    }
    let sent = "SELECT count(*) FROM deliveries WHERE state = 'sent'";
    eventually(SOON, async || world.number(sent).await == i64::try_from(count).unwrap()).await;
    (ada, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_elsewhere_goes_from_the_phone_and_its_badge_without_a_sound() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (_, bob) = shown(&world, &replica, 3).await;
    world.peers.unread.lock().unwrap().insert(bob.user_id().to_string(), 1);
    // Message by message, as people read.
    for seq in 1..=2 {
        replica.publish(&world, &world.read(bob.user_id(), seq)).await;
    }
    let waits = "SELECT count(*) FROM cues WHERE state = 'pending' AND read_seq = 2";
    eventually(SOON, async || world.number(waits).await == 1).await;
    world.clock.advance(Duration::from_secs(3));
    let pushed = eventually(SOON, async || of_kind(&world, &bob, "chat_read").first().cloned()).await;
    assert_eq!(pushed.payload["godwit"]["read_seq"], json!("2"));
    assert_eq!(pushed.payload["aps"], json!({"badge": 1, "content-available": 1}));
    assert_eq!(pushed.priority, "5");
    eventually(SOON, async || world.number("SELECT count(*) FROM cues WHERE state = 'pending'").await == 0).await;
    // What the phone does not show any more is not taken back again.
    replica.publish(&world, &world.read(bob.user_id(), 2)).await;
    replica.publish(&world, &world.read(bob.user_id(), 3)).await;
    let waits = "SELECT count(*) FROM cues WHERE state = 'pending' AND read_seq = 3";
    eventually(SOON, async || world.number(waits).await == 1).await;
    world.clock.advance(Duration::from_secs(3));
    eventually(SOON, async || of_kind(&world, &bob, "chat_read").len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_phone_that_is_not_registered_any_more_is_done_with() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (_, bob) = shown(&world, &replica, 1).await;
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    let waits = "SELECT count(*) FROM cues WHERE state = 'pending'";
    eventually(SOON, async || world.number(waits).await == 1).await;
    replica.unregister_tokens(&bob).await;
    world.clock.advance(Duration::from_secs(3));
    eventually(SOON, async || world.number(waits).await == 0).await;
    assert_eq!(world.number("SELECT attempt_count FROM cues").await, 0);
    assert!(of_kind(&world, &bob, "chat_read").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_push_service_that_fails_loses_no_try() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (_, bob) = shown(&world, &replica, 1).await;
    world.apns.behave(&bob.token, Some(Manner::refuse(503, json!({"reason": "Shutdown"}))));
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    // Four failures count; by the fifth in a row the push service is known to fail.
    eventually(SOON, async || {
        world.clock.advance(Duration::from_secs(10));
        of_kind(&world, &bob, "chat_read").len() >= 8
    })
    .await;
    world.apns.behave(&bob.token, None);
    eventually(SOON, async || {
        world.clock.advance(Duration::from_secs(10));
        world.number("SELECT count(*) FROM cues WHERE state = 'done'").await == 1
    })
    .await;
    assert_eq!(world.number("SELECT attempt_count FROM cues").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_goes_from_the_phones_that_show_it() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (_, bob) = shown(&world, &replica, 2).await;
    replica.publish(&world, &world.delete(1)).await;
    let pushed = eventually(SOON, async || of_kind(&world, &bob, "messages_deleted").first().cloned()).await;
    assert_eq!(pushed.payload["godwit"]["seqs"], json!(["1"]));
    assert_eq!(pushed.payload["godwit"]["chat_id"], json!(world.chat_id.to_string()));
    assert_eq!(pushed.payload["aps"].get("alert"), None);
    assert_eq!(world.number("SELECT count(*) FROM deliveries").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_anything_to_take_back_is_not_woken() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob) = shown(&world, &replica, 1).await;
    // Ada has read her own chat; nothing of it is on a phone of hers.
    replica.register_apple(&ada).await;
    replica.publish(&world, &world.read(ada.user_id(), 1)).await;
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM cues").await == 1).await;
    world.clock.advance(Duration::from_secs(3));
    eventually(SOON, async || of_kind(&world, &bob, "chat_read").len() == 1).await;
    assert_eq!(world.apns.at(&ada.token).len(), 0);
}

/// A phone for which a message is on its way, until the push service is allowed to say that it took it.
async fn on_its_way(world: &World, replica: &Replica) -> (Phone, Arc<Semaphore>) {
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    replica.register_apple(&bob).await;
    let permission = Arc::new(Semaphore::new(0));
    world.apns.behave(&bob.token, Some(Manner::Hold(Arc::clone(&permission))));
    replica.publish(world, &world.message_of(1, ada.user_id(), "hello")).await;
    eventually(SOON, async || world.apns.at(&bob.token).len() == 1).await;
    world.apns.behave(&bob.token, None);
    (bob, permission)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_while_it_was_on_its_way_goes_from_the_phone_again() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (bob, permission) = on_its_way(&world, &replica).await;
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM read_cursors").await == 1).await;
    permission.add_permits(1);
    eventually(SOON, async || world.number("SELECT count(*) FROM cues").await == 1).await;
    world.clock.advance(Duration::from_secs(3));
    let pushed = eventually(SOON, async || of_kind(&world, &bob, "chat_read").first().cloned()).await;
    assert_eq!(pushed.payload["godwit"]["read_seq"], json!("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_while_it_was_on_its_way_goes_from_the_phone_again() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (bob, permission) = on_its_way(&world, &replica).await;
    replica.publish(&world, &world.delete(1)).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM notifications").await == 0).await;
    permission.add_permits(1);
    let pushed = eventually(SOON, async || of_kind(&world, &bob, "messages_deleted").first().cloned()).await;
    assert_eq!(pushed.payload["godwit"]["seqs"], json!(["1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_messages_of_a_deleted_chat_go_from_the_phones_that_show_them() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (_, bob) = shown(&world, &replica, 2).await;
    replica.publish(&world, &world.delete_chat()).await;
    let pushed = eventually(SOON, async || of_kind(&world, &bob, "messages_deleted").first().cloned()).await;
    assert_eq!(pushed.payload["godwit"]["seqs"], json!(["2", "1"]));
    assert_eq!(world.number("SELECT count(*) FROM deliveries").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_messages_back_leaves_the_newer_ones_of_the_chat_on_the_phone() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (_, bob) = shown(&world, &replica, 3).await;
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM cues").await == 1).await;
    world.clock.advance(Duration::from_secs(3));
    let read = eventually(SOON, async || of_kind(&world, &bob, "chat_read").first().cloned()).await;
    replica.publish(&world, &world.delete(2)).await;
    let deleted = eventually(SOON, async || of_kind(&world, &bob, "messages_deleted").first().cloned()).await;
    // What has the collapse id of the messages would take the place of the newest.
    let shown = &of_kind(&world, &bob, "message_created")[2];
    assert_eq!(shown.payload["godwit"]["seq"], "3");
    assert!([&read, &deleted].iter().all(|cue| cue.collapse_id != shown.collapse_id));
}
