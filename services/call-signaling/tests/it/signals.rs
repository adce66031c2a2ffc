//! What the devices of a call tell each other.

use godwit_call_signaling::app::SignalToRelay;
use godwit_call_signaling::domain::{Call, Event, Party};
use godwit_contract::v1::{CallSignal, HangUp, IceCandidate, call_signal::Content};
use godwit_kernel::DeviceId;
use godwit_rpc::ServiceError as _;

use crate::auth::Answer;
use crate::replica::{Phone, Replica, World, new_call_id, other_device};

fn offer(text: &str) -> CallSignal {
    CallSignal { content: Some(Content::Offer(text.to_owned())) }
}

async fn say(replica: &Replica, call: &Call, from: Party, signal: CallSignal) -> Result<(), String> {
    say_to(replica, call, from, None, signal).await
}

async fn say_to(
    replica: &Replica,
    call: &Call,
    from: Party,
    to_device: Option<DeviceId>,
    signal: CallSignal,
) -> Result<(), String> {
    let asked = SignalToRelay { call_id: call.id, from, to_device, signal };
    replica.app.relay_signal(asked).await.map_err(|error| error.reason().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_reach_the_devices_of_the_other_party_and_no_others() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let (mut adas, mut bobs) = (Phone::of(&world, world.ada).await, Phone::of(&world, world.bob).await);
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    let (caller, phone, tablet) = (world.ada, world.bob, other_device(world.bob));
    let everyones = None;

    say(&replica, &call, caller, offer("o")).await.unwrap();
    let (heard, device) = bobs.hears().await;
    assert_eq!((heard.call_id.as_str(), heard.signal), (call.id.to_string().as_str(), Some(offer("o"))));
    assert_eq!((heard.from_user_id, heard.from_device_id), (caller.user_id.to_string(), caller.device_id.to_string()));
    assert_eq!(device, everyones);
    say_to(&replica, &call, caller, Some(tablet.device_id), offer("o")).await.unwrap();
    assert_eq!(bobs.hears().await.1, Some(tablet.device_id.to_string()));
    let ice = IceCandidate { candidate: "c".to_owned(), ..IceCandidate::default() };
    say(&replica, &call, tablet, CallSignal { content: Some(Content::Ice(ice)) }).await.unwrap();
    assert_eq!(adas.hears().await.1, Some(caller.device_id.to_string()));

    replica.app.act_on_call(call.id, phone, Event::Accept).await.unwrap();
    say_to(&replica, &call, caller, Some(tablet.device_id), offer("o")).await.unwrap();
    assert_eq!(bobs.hears().await.1, Some(phone.device_id.to_string()), "the device in the call, whoever was named");
    say(&replica, &call, phone, CallSignal { content: Some(Content::Answer("a".to_owned())) }).await.unwrap();
    assert_eq!(adas.hears().await.1, Some(caller.device_id.to_string()));
    for outsider in [tablet, other_device(caller)] {
        assert_eq!(say(&replica, &call, outsider, offer("o")).await, Err("CALL_ANSWERED_ELSEWHERE".to_owned()));
    }
    assert!(adas.has_heard_all(&world, world.ada).await && bobs.has_heard_all(&world, world.bob).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_injects_signals_into_a_call_that_is_none_of_theirs_or_over() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut bobs = Phone::of(&world, world.bob).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    assert_eq!(say(&replica, &call, world.stranger, offer("o")).await, Err("CALL_NOT_FOUND".to_owned()));
    let none = Call { id: new_call_id(), ..call.clone() };
    assert_eq!(say(&replica, &none, world.ada, offer("o")).await, Err("CALL_NOT_FOUND".to_owned()));
    world.auth.set(Answer::No("BLOCKED"));
    assert_eq!(say(&replica, &call, world.ada, offer("o")).await, Err("BLOCKED".to_owned()));
    world.auth.set(Answer::Yes);
    assert!(bobs.has_heard_all(&world, world.bob).await);
    replica.app.act_on_call(call.id, world.bob, Event::Decline).await.unwrap();
    let refused = say(&replica, &call, world.ada, offer("o")).await.unwrap_err();
    assert!(["CALL_WRONG_STATE", "CALL_NOT_FOUND"].contains(&refused.as_str()), "{refused}");
    assert!(bobs.has_heard_all(&world, world.bob).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_are_bounded_in_size_and_number() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    for signal in [CallSignal { content: None }, offer(&"x".repeat(32 * 1024))] {
        assert_eq!(say(&replica, &call, world.ada, signal).await, Err("INVALID_ARGUMENT".to_owned()));
    }
    say(&replica, &call, world.ada, offer(&"x".repeat(16_000))).await.unwrap();
    let mut refused = None;
    for _ in 0..1_000 {
        let hangup = CallSignal { content: Some(Content::Hangup(HangUp {})) };
        if let Err(reason) = say(&replica, &call, world.ada, hangup).await {
            refused = Some(reason);
            break;
        }
    }
    assert_eq!(refused.as_deref(), Some("RATE_LIMITED"));
    say(&replica, &call, world.bob, offer("o")).await.unwrap();
}
