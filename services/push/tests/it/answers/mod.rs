//! What each answer of a push service does to what was to be sent, and to the address.

mod device;

use std::time::Duration;

use godwit_contract::push::v1::PushProvider;
use godwit_kernel::{Clock as _, DeviceId, SystemClock, SystemEntropy, UserId};
use godwit_testkit::eventually;
use serde_json::{Value, json};

use self::device::{Answer, Device, Fate, Kind, answer};
use crate::harness::{Replica, SOON, World};
use crate::stage::Manner;
use crate::stage::fcm::error;

/// Waits until a query gives 1.
async fn found(world: &World, sql: &str, of: &str) {
    eventually(SOON, async || if world.number(sql).await == 1 { Ok(()) } else { Err(format!("{of}: {sql}")) }).await;
}

/// What the database says of a delivery with this fate; one row.
fn outcome(world: &World, device: DeviceId, seq: u64, fate: Fate) -> String {
    let now = world.clock.now().unix_timestamp();
    let delivery = format!("SELECT count(*) FROM deliveries WHERE device_id = '{device}' AND seq = {seq}");
    match fate {
        Fate::Gone => format!("{delivery} AND state = 'failed' AND outcome = 'gone'"),
        Fate::Refused => format!("{delivery} AND state = 'failed' AND outcome = 'refused'"),
        Fate::Waits(secs) => format!(
            "{delivery} AND state = 'pending' AND attempt_count = 1 \
             AND due_at BETWEEN to_timestamp({now} + {secs}) AND to_timestamp({now} + 1.5 * {secs})"
        ),
        Fate::Paused(_) => format!("{delivery} AND state = 'pending' AND attempt_count = 0"),
    }
}

/// Devices that are answered differently are told of one message. Then all is well, time goes by, and another message follows.
async fn hold(world: &World, replica: &Replica, kind: Kind, seq: u64, answers: &[Answer]) {
    let sender = UserId::generate(&SystemClock, &SystemEntropy);
    world.peers.members.lock().unwrap().insert(sender.to_string());
    let mut devices = Vec::new();
    for answer in answers {
        let device = Device::join(kind, world, replica).await;
        device.refuse(world, answer);
        devices.push((device, answer, format!("{answer:?}")));
    }
    replica.publish(world, &world.message_of(seq, sender, "hello")).await;
    let mut longest_secs = 0;
    for (device, answer, name) in &devices {
        arrived(world, device, answer.tries, name).await;
        let (id, _) = device.ids();
        found(world, &outcome(world, id, seq, answer.fate), name).await;
        device.take(world);
        let addresses = world.number(&format!("SELECT count(*) FROM addresses WHERE device_id = '{id}'")).await;
        assert_eq!(addresses == 0, matches!(answer.fate, Fate::Gone), "{name}");
        if let Fate::Waits(secs) | Fate::Paused(secs) = answer.fate {
            longest_secs = longest_secs.max(secs);
        }
    }
    world.clock.advance(Duration::from_secs(longest_secs * 3 / 2 + 5));
    replica.publish(world, &world.message_of(seq + 1, sender, "hello again")).await;
    for (device, answer, name) in &devices {
        arrived(world, device, answer.tries + answer.fate.arrivals_later(), name).await;
    }
    found(world, "SELECT 1 + count(*) FROM deliveries WHERE state = 'pending'", "nothing waits").await;
    for (device, answer, name) in &devices {
        assert_eq!(device.arrivals(world), answer.tries + answer.fate.arrivals_later(), "{name}");
        world.peers.members.lock().unwrap().remove(&device.ids().1.to_string());
    }
}

async fn arrived(world: &World, device: &Device, count: usize, of: &str) {
    eventually(SOON, async || {
        let arrivals = device.arrivals(world);
        if arrivals == count { Ok(()) } else { Err(format!("{of}: {arrivals} tries instead of {count}")) }
    })
    .await;
}

fn apple(status: u16, reason: &str, fate: Fate) -> Answer {
    answer(status, json!({"reason": reason}), fate)
}

#[tokio::test(flavor = "multi_thread")]
async fn apples_answers_mean_what_apple_says() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    // No more than four say that Apple itself fails: of five in a row it is left alone.
    let first = [
        apple(400, "BadDeviceToken", Fate::Gone),
        apple(400, "DeviceTokenNotForTopic", Fate::Gone),
        apple(400, "BadTopic", Fate::Refused),
        apple(400, "PayloadEmpty", Fate::Refused),
        // The provider token was made just now: another would be refused for being made too soon.
        apple(403, "ExpiredProviderToken", Fate::Waits(5)),
        apple(403, "InvalidProviderToken", Fate::Waits(5)),
        apple(404, "BadPath", Fate::Refused),
        apple(410, "Unregistered", Fate::Gone),
        apple(410, "ExpiredToken", Fate::Gone),
        apple(413, "PayloadTooLarge", Fate::Refused),
        apple(429, "TooManyRequests", Fate::Waits(5)),
        apple(429, "TooManyRequests", Fate::Waits(600)).after("600"),
        apple(500, "InternalServerError", Fate::Waits(5)),
        apple(503, "ServiceUnavailable", Fate::Waits(5)),
    ];
    hold(&world, &replica, Kind::Apple, 1, &first).await;
    world.clock.advance(Duration::from_secs(15 * 60));
    // The first message of this round is sent with the token of the last: 30 minutes old, and young enough for Apple.
    hold(&world, &replica, Kind::Apple, 3, &[apple(403, "ExpiredProviderToken", Fate::Waits(5)).twice()]).await;
    hold(&world, &replica, Kind::Apple, 5, &[apple(503, "Shutdown", Fate::Paused(300)).after("300")]).await;
    let too_many = apple(429, "TooManyProviderTokenUpdates", Fate::Paused(120)).after("120");
    hold(&world, &replica, Kind::Apple, 7, &[too_many]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_answers_mean_what_google_says() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let google = |status, name, code, fate| answer(status, error(status, name, code), fate);
    let first = [
        google(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", Fate::Refused),
        google(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", Fate::Waits(5)).twice(),
        google(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", Fate::Gone),
        google(404, "NOT_FOUND", "UNREGISTERED", Fate::Gone),
        google(500, "INTERNAL", "INTERNAL", Fate::Waits(5)),
        google(503, "UNAVAILABLE", "UNAVAILABLE", Fate::Waits(5)),
    ];
    hold(&world, &replica, Kind::Google, 1, &first).await;
    // Of the account, not of the phone: without an error code of messaging.
    let plain = |status: u16, name: &str| json!({"error": {"code": status, "message": "no", "status": name}});
    let second = [
        answer(403, plain(403, "PERMISSION_DENIED"), Fate::Waits(5)),
        answer(404, plain(404, "NOT_FOUND"), Fate::Waits(5)),
        answer(502, json!("Bad Gateway"), Fate::Waits(5)),
    ];
    hold(&world, &replica, Kind::Google, 3, &second).await;
    let quota = || google(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Fate::Paused(300));
    hold(&world, &replica, Kind::Google, 5, &[quota().after("300")]).await;
    hold(&world, &replica, Kind::Google, 7, &[Answer { fate: Fate::Paused(60), ..quota() }]).await;
    hold(
        &world,
        &replica,
        Kind::Google,
        9,
        &[google(503, "UNAVAILABLE", "UNAVAILABLE", Fate::Paused(120)).after("120")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_push_services_answers_mean_what_rfc_8030_says() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let web = |status, fate| answer(status, Value::Null, fate);
    let answers = [
        web(400, Fate::Refused),
        web(403, Fate::Refused),
        web(404, Fate::Gone),
        web(408, Fate::Waits(5)),
        web(410, Fate::Gone),
        web(413, Fate::Refused),
        web(429, Fate::Waits(5)),
        web(429, Fate::Waits(600)).after("600"),
        web(500, Fate::Waits(5)),
        web(502, Fate::Waits(5)),
        web(503, Fate::Waits(5)),
    ];
    hold(&world, &replica, Kind::Browser, 1, &answers).await;
}

/// A phone of Google's waits, and is told when there is an access token again; its own token stays.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_access_token_googles_phones_wait() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    replica.register_token(&bob, PushProvider::Fcm, &bob.token).await.unwrap();
    let busy = Manner::Refuse { status: 503, body: json!({}), retry_after: Some("120") };
    let failures = [
        (Manner::refuse(500, json!({"error": "internal_failure"})), Fate::Waits(5)),
        (Manner::refuse(400, json!({"error": "invalid_grant"})), Fate::Waits(5)),
        (Manner::refuse(401, json!({"error": "invalid_client"})), Fate::Waits(5)),
        (Manner::Garbage, Fate::Waits(5)),
        (Manner::refuse(200, json!({"access_token": "a", "token_type": "Bearer"})), Fate::Waits(5)),
        (busy, Fate::Paused(120)),
    ];
    for (seq, (manner, fate)) in (1..).zip(failures) {
        let (name, asked) = (format!("{manner:?}"), world.fcm.asked_for_tokens());
        world.fcm.revoke_tokens();
        world.fcm.behave_with_tokens(Some(manner));
        replica.publish(&world, &world.message_of(seq, ada.user_id(), "hello")).await;
        eventually(SOON, async || world.fcm.asked_for_tokens() > asked).await;
        found(&world, &outcome(&world, bob.caller.device_id, seq, fate), &name).await;
        let before = usize::try_from(seq).unwrap() - 1;
        assert_eq!(world.fcm.at(&bob.token).len(), before, "{name}");
        world.fcm.behave_with_tokens(None);
        world.clock.advance(Duration::from_secs(if let Fate::Paused(secs) = fate { secs + 1 } else { 8 }));
        eventually(SOON, async || world.fcm.at(&bob.token).len() == before + 1).await;
    }
    assert_eq!(world.number("SELECT count(*) FROM push_tokens").await, 1);
}
