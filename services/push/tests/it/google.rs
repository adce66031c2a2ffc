use std::collections::BTreeSet;
use std::time::Duration;

use godwit_kernel::{ChatId, SystemClock, SystemEntropy};
use godwit_testkit::eventually;
use serde_json::json;

use crate::harness::{Replica, SOON, World};
use crate::phone::Phone;
use crate::stage::Manner;
use crate::stage::fcm::{Pushed, error};

async fn with_phone() -> (World, Replica, Phone, Phone) {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    replica.register_google(&bob).await;
    (world, replica, ada, bob)
}

async fn arrivals(world: &World, phone: &Phone, count: usize) -> Vec<Pushed> {
    eventually(SOON, async || Some(world.fcm.at(&phone.token)).filter(|pushed| pushed.len() >= count)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_woken_with_all_that_the_app_shows() {
    let (world, replica, ada, bob) = with_phone().await;
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    replica.publish(&world, &world.message_of(2, ada.user_id(), "again")).await;
    let pushed = arrivals(&world, &bob, 2).await;
    let data = &pushed[0].data;
    assert_eq!((&data["kind"], &data["text"], &data["seq"]), (&json!("message_created"), &json!("hello"), &json!("1")));
    assert_eq!(
        (&data["chat_id"], &data["actions"]),
        (&json!(world.chat_id.to_string()), &json!(r#"["reply","mark_read"]"#))
    );
    let collapse_id = &data["collapse_id"];
    assert_eq!(pushed[0].android, json!({"priority": "HIGH", "ttl": "86400s", "collapse_key": collapse_id}));
    assert_eq!(collapse_id, &pushed[1].data["collapse_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_collapse_each_for_itself_as_long_as_google_can_keep_them_apart() {
    let (world, replica, ada, bob) = with_phone().await;
    let chats: Vec<ChatId> = (0..5).map(|_| ChatId::generate(&SystemClock, &SystemEntropy)).collect();
    for (count, chat_id) in (1..).zip(&chats) {
        replica.publish(&world, &world.message_in(*chat_id, 1, ada.user_id(), "hello")).await;
        arrivals(&world, &bob, count).await;
    }
    let pushed = arrivals(&world, &bob, 5).await;
    let keys: Vec<Option<&str>> = pushed.iter().map(|pushed| pushed.android["collapse_key"].as_str()).collect();
    let ids: Vec<Option<&str>> = pushed.iter().map(|pushed| pushed.data["collapse_id"].as_str()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 5, "a place for each chat");
    assert_eq!(keys, [ids[0], ids[1], ids[2], None, None], "of more than four keys Google would drop some");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_serves_until_shortly_before_its_end() {
    let (world, replica, ada, bob) = with_phone().await;
    for (seq, tokens) in [(1, 1), (2, 1), (3, 2)] {
        replica.publish(&world, &world.message_of(seq, ada.user_id(), "hello")).await;
        arrivals(&world, &bob, usize::try_from(seq).unwrap()).await;
        assert_eq!(world.fcm.token_count(), tokens);
        world.clock.advance(Duration::from_secs(29 * 60));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_that_is_not_taken_is_replaced_and_the_notification_sent() {
    let (world, replica, ada, bob) = with_phone().await;
    replica.publish(&world, &world.message_of(1, ada.user_id(), "one")).await;
    arrivals(&world, &bob, 1).await;
    world.fcm.revoke_tokens();
    replica.publish(&world, &world.message_of(2, ada.user_id(), "two")).await;
    arrivals(&world, &bob, 2).await;
    assert_eq!(world.fcm.token_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_over_or_of_another_project_are_dropped() {
    let (world, replica, ada, bob) = with_phone().await;
    let cem = world.member_with_phone();
    replica.register_google(&cem).await;
    world.fcm.behave(&bob.token, Some(Manner::refuse(404, error(404, "NOT_FOUND", "UNREGISTERED"))));
    world.fcm.behave(&cem.token, Some(Manner::refuse(403, error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"))));
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM push_tokens").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_google_refuses_is_not_tried_again_and_the_token_stays() {
    let (world, replica, ada, bob) = with_phone().await;
    let refuses = Manner::refuse(400, error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"));
    world.fcm.behave(&bob.token, Some(refuses));
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    let refused = "SELECT count(*) FROM deliveries WHERE state = 'failed' AND outcome = 'refused'";
    eventually(SOON, async || world.number(refused).await == 1).await;
    assert_eq!(world.fcm.at(&bob.token).len(), 1);
    assert_eq!(world.number("SELECT count(*) FROM push_tokens").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_and_an_outage_are_waited_for_as_long_as_google_says() {
    for (status, name) in [(429, "QUOTA_EXCEEDED"), (503, "UNAVAILABLE")] {
        let (world, replica, ada, bob) = with_phone().await;
        let cem = world.member_with_phone();
        let body = error(status, "RESOURCE_EXHAUSTED", name);
        world.fcm.behave(&bob.token, Some(Manner::Refuse { status, body, retry_after: Some("300") }));
        replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
        arrivals(&world, &bob, 1).await;
        world.fcm.behave(&bob.token, None);
        eventually(SOON, async || world.number("SELECT max(attempt_count) FROM deliveries").await == 0).await;
        // It is the project that waits, not the phone.
        replica.register_google(&cem).await;
        world.clock.advance(Duration::from_secs(290));
        replica.publish(&world, &world.message_of(2, ada.user_id(), "hello")).await;
        eventually(SOON, async || world.number("SELECT count(*) FROM deliveries").await == 3).await;
        assert_eq!((world.fcm.at(&bob.token).len(), world.fcm.at(&cem.token).len()), (1, 0), "{name}");
        world.clock.advance(Duration::from_secs(11));
        arrivals(&world, &cem, 1).await;
        arrivals(&world, &bob, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_elsewhere_or_deleted_goes_from_the_phone_by_data_that_wakes_nobody() {
    let (world, replica, ada, bob) = with_phone().await;
    for seq in 1..=3 {
        replica.publish(&world, &world.message_of(seq, ada.user_id(), "hello")).await;
    }
    let sent = "SELECT count(*) FROM deliveries WHERE state = 'sent'";
    eventually(SOON, async || world.number(sent).await == 3).await;
    replica.publish(&world, &world.read(bob.user_id(), 1)).await;
    eventually(SOON, async || world.number("SELECT count(*) FROM cues").await == 1).await;
    world.clock.advance(Duration::from_secs(3));
    let read = arrivals(&world, &bob, 4).await.remove(3);
    replica.publish(&world, &world.delete(2)).await;
    let pushed = arrivals(&world, &bob, 5).await;
    let (shown, deleted) = (&pushed[2], &pushed[4]);
    let chat_id = world.chat_id.to_string();
    let (read_id, deleted_id) = (&read.data["collapse_id"], &deleted.data["collapse_id"]);
    assert_eq!(read.data, json!({"kind": "chat_read", "chat_id": chat_id, "read_seq": "1", "collapse_id": read_id}),);
    assert_eq!(
        deleted.data,
        json!({"kind": "messages_deleted", "chat_id": chat_id, "seqs": r#"["2"]"#, "collapse_id": deleted_id}),
    );
    for cue in [&read, deleted] {
        assert_eq!((&cue.android["priority"], cue.android.get("collapse_key")), (&json!("NORMAL"), None));
        assert_ne!(cue.data["collapse_id"], shown.data["collapse_id"], "the newest message stays");
    }
    eventually(SOON, async || world.number("SELECT count(*) FROM cues WHERE state = 'pending'").await == 0).await;
    assert_eq!(world.fcm.at(&bob.token).len(), 5);
}
