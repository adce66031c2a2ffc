//! Who is told, and who is not.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use godwit_contract::push::v1::UpdateNotificationSettingsRequest;
use godwit_contract::v1::{ChatKind, EntityKind, MessageEntity};
use godwit_kernel::{Clock as _, UserId};
use godwit_testkit::eventually;
use serde_json::json;

use crate::harness::{Replica, SOON, World};
use crate::phone::Phone;
use crate::stage::Manner;

async fn phones(world: &World, replica: &Replica, count: usize) -> Vec<Phone> {
    let phones: Vec<Phone> = (0..count).map(|_| world.member_with_phone()).collect();
    for phone in &phones {
        replica.register_apple(phone).await;
    }
    phones
}

/// The seqs that a phone was told of, in order.
fn told(world: &World, phone: &Phone) -> Vec<String> {
    let pushed = world.apns.at(&phone.token);
    let messages = pushed.iter().filter(|pushed| pushed.payload["godwit"]["kind"] == "message_created");
    messages.map(|pushed| pushed.payload["godwit"]["seq"].as_str().unwrap().to_owned()).collect()
}

fn mention(user: UserId) -> MessageEntity {
    let user_id = user.to_string();
    MessageEntity { kind: EntityKind::Mention.into(), offset: 0, length: 1, user_id, ..MessageEntity::default() }
}

/// Waits until nothing is to be sent any more of the chat's messages up to the last that was published.
async fn quiet(world: &World) {
    let waiting = "SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending') \
                   + (SELECT count(*) FROM notifications WHERE fan_out_due_at IS NOT NULL)";
    eventually(SOON, async || world.number(waiting).await == 0).await;
}

/// Publishes a message and waits until the witness was told of it, and until it is done with.
async fn send(world: &World, replica: &Replica, seq: u64, sender: UserId, witness: &Phone) {
    replica.publish(world, &world.message_of(seq, sender, "hello")).await;
    eventually(SOON, async || told(world, witness).contains(&seq.to_string())).await;
    quiet(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_chat_is_silent_but_for_mentions_and_for_who_mutes_these_too() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let [ada, bob, cem, witness]: [Phone; 4] = phones(&world, &replica, 4).await.try_into().ok().unwrap();
    for phone in [&bob, &cem] {
        world.peers.muted.lock().unwrap().insert(phone.user_id().to_string());
    }
    let strict = UpdateNotificationSettingsRequest { preview: 0, are_mentions_muted: Some(true) };
    replica.change_settings(&cem, strict).await;
    send(&world, &replica, 1, ada.user_id(), &witness).await;
    let mut update = world.message_of(2, ada.user_id(), "@bob @cem");
    world.change(&mut update, |message| message.entities = vec![mention(bob.user_id()), mention(cem.user_id())]);
    replica.publish(&world, &update).await;
    eventually(SOON, async || told(&world, &bob) == ["2"]).await;
    send(&world, &replica, 3, ada.user_id(), &witness).await;
    assert_eq!((told(&world, &bob), told(&world, &cem)), (vec!["2".to_owned()], Vec::new()));
    assert_eq!(world.apns.at(&bob.token)[0].payload["godwit"]["is_mention"], json!(true));
    // Unmuting holds from the next message on.
    world.peers.muted.lock().unwrap().clear();
    send(&world, &replica, 4, ada.user_id(), &witness).await;
    eventually(SOON, async || told(&world, &cem) == ["4"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_blocks_left_came_later_or_looks_at_the_app_is_not_told() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let [ada, blocker, gone, newcomer, looking, witness]: [Phone; 6] =
        phones(&world, &replica, 6).await.try_into().ok().unwrap();
    let pair = (ada.user_id().to_string(), blocker.user_id().to_string());
    world.peers.blocked.lock().unwrap().insert(pair);
    world.peers.members.lock().unwrap().remove(&gone.user_id().to_string());
    let later = world.clock.now() + Duration::from_secs(60);
    world.peers.joined_at.lock().unwrap().insert(newcomer.user_id().to_string(), later);
    world.peers.in_front.lock().unwrap().insert(looking.caller.device_id.to_string());
    // The same person's other phone is in their pocket.
    let pocket = Phone::of(looking.user_id());
    replica.register_apple(&pocket).await;
    send(&world, &replica, 1, ada.user_id(), &witness).await;
    eventually(SOON, async || told(&world, &pocket) == ["1"]).await;
    for phone in [&ada, &blocker, &gone, &newcomer, &looking] {
        assert_eq!(told(&world, phone), Vec::<String>::new());
    }
    let outcomes = "SELECT count(DISTINCT outcome) FROM deliveries \
                    WHERE outcome IN ('blocked', 'not_a_member', 'in_front') AND state = 'cancelled'";
    assert_eq!(world.number(outcomes).await, 3);
    // It all holds at the moment of sending only.
    world.peers.blocked.lock().unwrap().clear();
    world.peers.in_front.lock().unwrap().clear();
    world.clock.advance(Duration::from_secs(120));
    send(&world, &replica, 2, ada.user_id(), &witness).await;
    for phone in [&blocker, &newcomer, &looking] {
        eventually(SOON, async || told(&world, phone) == ["2"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_presence_everybody_is_told_and_it_is_not_asked_for_each() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let [ada, bob]: [Phone; 2] = phones(&world, &replica, 2).await.try_into().ok().unwrap();
    world.peers.in_front.lock().unwrap().insert(bob.caller.device_id.to_string());
    world.peers.is_presence_away.store(true, Ordering::SeqCst);
    for seq in 1..=20 {
        send(&world, &replica, seq, ada.user_id(), &bob).await;
    }
    let asked = world.peers.presence_asked.load(Ordering::SeqCst);
    assert!((1..20).contains(&asked), "{asked} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_between_the_fan_out_and_the_sending_is_not_told() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let [ada, bob]: [Phone; 2] = phones(&world, &replica, 2).await.try_into().ok().unwrap();
    let body = json!({"reason": "TooManyRequests"});
    world.apns.behave(&bob.token, Some(Manner::Refuse { status: 429, body, retry_after: Some("600") }));
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    eventually(SOON, async || told(&world, &bob).len() == 1).await;
    world.apns.behave(&bob.token, None);
    eventually(SOON, async || {
        world.number("SELECT count(*) FROM push_tokens WHERE paused_until IS NOT NULL").await == 1
    })
    .await;
    world.peers.members.lock().unwrap().remove(&bob.user_id().to_string());
    world.clock.advance(Duration::from_secs(700));
    quiet(&world).await;
    assert_eq!(told(&world, &bob).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_message_that_nobody_can_be_told_of() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let [ada]: [Phone; 1] = phones(&world, &replica, 1).await.try_into().ok().unwrap();
    // He has no device that can be told.
    let bob = world.member_with_phone();
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    send(&world, &replica, 2, bob.user_id(), &ada).await;
    assert_eq!(told(&world, &ada), ["2"]);
    assert_eq!(world.number("SELECT count(*) FROM notifications WHERE seq = 1").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM notifications WHERE seq = 2").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_message_makes_no_sound() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let [ada, bob]: [Phone; 2] = phones(&world, &replica, 2).await.try_into().ok().unwrap();
    let mut update = world.message_of(1, ada.user_id(), "psst");
    world.change(&mut update, |message| message.is_silent = true);
    replica.publish(&world, &update).await;
    let pushed = eventually(SOON, async || world.apns.at(&bob.token).first().cloned()).await;
    assert_eq!(pushed.payload["aps"].get("sound"), None);
    assert_eq!((pushed.priority.as_str(), &pushed.payload["aps"]["alert"]["body"]), ("5", &json!("psst")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_of_a_channel_cannot_be_answered() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let [ada, bob]: [Phone; 2] = phones(&world, &replica, 2).await.try_into().ok().unwrap();
    *world.peers.facts.lock().unwrap() = (ChatKind::Channel, "News".to_owned(), false);
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hear ye")).await;
    let pushed = eventually(SOON, async || world.apns.at(&bob.token).first().cloned()).await;
    let aps = &pushed.payload["aps"];
    assert_eq!((&aps["category"], &aps["alert"]["title"]), (&json!("POST"), &json!("News")));
    assert_eq!(pushed.payload["godwit"]["actions"], json!(["mark_read"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_it_was_sent_is_not_sent() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let [ada, bob, cem, witness]: [Phone; 4] = phones(&world, &replica, 4).await.try_into().ok().unwrap();
    // The log of the reader comes over another partition than the chat's, and may come before it.
    replica.publish(&world, &world.own_read(cem.user_id(), 1)).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM read_cursors").await == 1).await;
    let body = json!({"reason": "TooManyRequests"});
    world.apns.behave(&bob.token, Some(Manner::Refuse { status: 429, body, retry_after: Some("600") }));
    send_to(&world, &replica, 1, &ada, &witness).await;
    eventually(SOON, async || {
        world.number("SELECT count(*) FROM push_tokens WHERE paused_until IS NOT NULL").await == 1
    })
    .await;
    world.apns.behave(&bob.token, None);
    send_to(&world, &replica, 2, &ada, &witness).await;
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    let cancelled = "SELECT count(*) FROM deliveries WHERE state = 'cancelled' AND outcome = 'read'";
    eventually(SOON, async || world.number(cancelled).await == 1).await;
    world.clock.advance(Duration::from_secs(700));
    eventually(SOON, async || told(&world, &bob) == ["1", "2"]).await;
    eventually(SOON, async || told(&world, &cem) == ["2"]).await;
}

async fn send_to(world: &World, replica: &Replica, seq: u64, sender: &Phone, witness: &Phone) {
    replica.publish(world, &world.message_of(seq, sender.user_id(), "hello")).await;
    eventually(SOON, async || told(world, witness).contains(&seq.to_string())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_a_large_chat_are_looked_at_in_pages_and_a_crash_goes_on_where_it_was() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    // The fake gives two members a page: eleven pages.
    let everybody = phones(&world, &replica, 21).await;
    let (ada, others) = everybody.split_first().unwrap();
    // One shows that the chat is large, and five are looked at before there are no more.
    *world.peers.pages_max.lock().unwrap() = Some(6);
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    eventually(SOON, async || world.peers.refused.load(Ordering::SeqCst) > 0).await;
    // The process dies in the middle.
    replica.platform.tasks.stop(godwit_runtime::Stage::Work, tokio::time::Instant::now()).await;
    drop(replica);
    let made = world.number("SELECT count(*) FROM deliveries").await;
    assert!((8..=12).contains(&made), "{made} deliveries of five pages");
    let pages_before = world.peers.pages.load(Ordering::SeqCst);
    *world.peers.pages_max.lock().unwrap() = None;
    let _heir = world.start_with_accounts().await;
    for phone in others {
        eventually(SOON, async || {
            world.clock.advance(Duration::from_secs(5));
            !told(&world, phone).is_empty()
        })
        .await;
    }
    quiet(&world).await;
    let ids: BTreeSet<String> = world.apns.all().into_iter().map(|pushed| pushed.id).collect();
    assert_eq!(ids.len(), others.len(), "one delivery a device");
    assert_eq!(world.number("SELECT count(*) FROM deliveries").await, 20);
    // Six are left. The stream may give the message again, and a request of the dead may still come in.
    let pages = world.peers.pages.load(Ordering::SeqCst) - pages_before;
    assert!((5..=8).contains(&pages), "{pages} pages more");
    assert!(told(&world, ada).is_empty());
}
