//! Calls on phones of Google and in browsers.

use godwit_contract::v1::CallState;
use godwit_testkit::eventually;
use serde_json::{Value, json};

use crate::browser::{Browser, Received};
use crate::calls::{alert, call};
use crate::harness::{Replica, SOON, World};
use crate::peers::name_of;
use crate::phone::Phone;
use crate::stage::fcm::Pushed;

/// Bob with a phone of Google's and a browser, and Ada who calls.
async fn with_devices() -> (World, Replica, Phone, Phone, Browser) {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, phone) = (world.member_with_phone(), world.member_with_phone());
    let browser = Browser::of(phone.user_id());
    replica.register_google(&phone).await;
    replica.register(&browser, browser.subscription(&world.server)).await.unwrap();
    (world, replica, ada, phone, browser)
}

/// What comes to the phone after so many.
async fn at_phone(world: &World, phone: &Phone, before: usize) -> Pushed {
    eventually(SOON, async || world.fcm.at(&phone.token).get(before).cloned()).await
}

/// What comes to the browser after so many.
async fn in_browser(world: &World, browser: &Browser, before: usize) -> Received {
    eventually(SOON, async || world.server.at(browser).get(before).cloned()).await
}

/// Data without the place that it has at the phone.
fn letter(pushed: &Pushed) -> Value {
    let mut data = pushed.data.clone();
    data.as_object_mut().unwrap().remove("collapse_id").unwrap();
    data
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_by_google_and_in_browsers_until_it_is_declined() {
    let (world, replica, ada, phone, browser) = with_devices().await;
    let call = call(&world, &ada, &phone);
    alert(&replica, &call, CallState::Ringing).await;
    let (rings, rings_too) = (at_phone(&world, &phone, 0).await, in_browser(&world, &browser, 0).await);
    let expected = json!({
        "kind": "call_ringing",
        "call_id": call.id,
        "caller_id": ada.user_id().to_string(),
        "caller_name": name_of(&ada.user_id().to_string()),
        "media": "video",
        "rings_until": "2026-06-01T12:00:45Z",
    });
    assert_eq!((letter(&rings), browser.decrypt(&rings_too)), (expected.clone(), expected));
    assert_eq!(rings.android, json!({"priority": "HIGH", "ttl": "45s"}));
    assert_eq!((rings_too.header("urgency"), rings_too.header("ttl")), ("high", "45"));

    alert(&replica, &call, CallState::Declined).await;
    let (over, over_too) = (at_phone(&world, &phone, 1).await, in_browser(&world, &browser, 1).await);
    let expected = json!({"kind": "call_over", "call_id": call.id, "state": "declined"});
    assert_eq!((letter(&over), browser.decrypt(&over_too)), (expected.clone(), expected));
    assert_eq!((&over.android["priority"], over_too.header("urgency")), (&json!("HIGH"), "high"));
    // A device that was away in between is not rung.
    assert_eq!(over.data["collapse_id"], rings.data["collapse_id"]);
    assert_eq!(over_too.header("topic"), rings_too.header("topic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_answered_in_the_browser_stops_on_the_phone_alone() {
    let (world, replica, ada, phone, browser) = with_devices().await;
    let mut call = call(&world, &ada, &phone);
    alert(&replica, &call, CallState::Ringing).await;
    at_phone(&world, &phone, 0).await;
    in_browser(&world, &browser, 0).await;
    call.callee_device_id = browser.caller.device_id.to_string();
    alert(&replica, &call, CallState::Accepted).await;
    let over = at_phone(&world, &phone, 1).await;
    assert_eq!((&over.data["kind"], &over.data["state"]), (&json!("call_over"), &json!("accepted")));
    eventually(SOON, async || world.number("SELECT count(*) FROM cues WHERE state = 'pending'").await == 0).await;
    assert_eq!((world.fcm.at(&phone.token).len(), world.server.at(&browser).len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_elsewhere_or_deleted_is_not_pushed_to_browsers() {
    let (world, replica, ada, phone, browser) = with_devices().await;
    replica.publish(&world, &world.message_of(1, ada.user_id(), "hello")).await;
    at_phone(&world, &phone, 0).await;
    in_browser(&world, &browser, 0).await;
    let sent = "SELECT count(*) FROM deliveries WHERE state = 'sent'";
    eventually(SOON, async || world.number(sent).await == 2).await;
    replica.publish(&world, &world.delete(1)).await;
    let deleted = at_phone(&world, &phone, 1).await;
    assert_eq!(deleted.data["kind"], "messages_deleted");
    let cues = "SELECT count(*) FROM cues WHERE provider = 'web'";
    assert_eq!(
        (world.number(cues).await, world.server.at(&browser).len()),
        (0, 1),
        "it must show all that it is pushed"
    );
}
