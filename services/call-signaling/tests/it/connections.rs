//! Devices that lose their connection in the middle of a call.

use std::time::Duration;

use godwit_call_signaling::app::ConnectedDevice;
use godwit_call_signaling::domain::{Call, EndCause, Event, Party, State};
use godwit_testkit::eventually;

use crate::replica::{Phone, Replica, SOON, World, get};

fn connected(call: &Call, party: Party) -> ConnectedDevice {
    ConnectedDevice { call_id: call.id, user_id: party.user_id, device_id: party.device_id }
}

async fn talk(replica: &Replica, world: &World) -> Call {
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap()
}

/// Asks after the devices, and lets those of `answering` answer.
async fn round(replica: &Replica, call: &Call, answering: &[Party]) {
    replica.app.probe_devices().await.unwrap();
    let answers: Vec<ConnectedDevice> = answering.iter().map(|party| connected(call, *party)).collect();
    replica.app.note_devices(&answers).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_devices_of_an_accepted_call_are_asked_after_and_no_others() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let ringing = replica.app.create_call(world.call_to_bob()).await.unwrap();
    let mut bobs = Phone::of(&world, world.bob).await;
    replica.app.probe_devices().await.unwrap();
    replica.app.act_on_call(ringing.id, world.bob, Event::Accept).await.unwrap();
    assert_eq!(
        bobs.sees_call().await.callee_device_id,
        world.bob.device_id.to_string(),
        "a ringing device was asked after"
    );
    replica.app.probe_devices().await.unwrap();
    let probe = bobs.is_asked_after().await;
    assert_eq!((probe.call_id, probe.device_id), (ringing.id.to_string(), world.bob.device_id.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_within_30_seconds_goes_on_talking() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = talk(&replica, &world).await;
    let mut adas = Phone::of(&world, world.ada).await;
    for _ in 0..3 {
        round(&replica, &call, &[world.ada]).await;
    }
    let told = loop {
        let told = adas.sees_call_or_probe().await;
        if let Some(told) = told {
            break told;
        }
    };
    assert!(told.callee_lost_at.is_some() && told.caller_lost_at.is_none(), "{told:?}");

    world.clock.advance(Duration::from_secs(29));
    round(&replica, &call, &[world.ada, world.bob]).await;
    assert_eq!(get(&replica, &call, world.ada).await.callee_lost_at, None);
    world.clock.advance(Duration::from_secs(60));
    replica.app.expire_calls().await.unwrap();
    assert_eq!(get(&replica, &call, world.ada).await.state, State::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_30_seconds_after_a_party_was_lost() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = talk(&replica, &world).await;
    for _ in 0..3 {
        round(&replica, &call, &[world.bob]).await;
    }
    let lost = get(&replica, &call, world.bob).await;
    assert!(lost.caller_lost_at.is_some() && lost.callee_lost_at.is_none());
    world.clock.advance(Duration::from_secs(30));
    eventually(SOON, async || {
        let now = get(&replica, &call, world.bob).await;
        if now.end_cause == Some(EndCause::ConnectionLost) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_party_stays_lost_when_another_replica_leads() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = talk(&replica, &world).await;
    for _ in 0..3 {
        round(&replica, &call, &[world.bob]).await;
    }
    replica.kill().await;
    world.clock.advance(Duration::from_secs(30));
    let replica = Replica::start(&world).await;
    eventually(SOON, async || {
        let now = get(&replica, &call, world.bob).await;
        if now.state == State::Ended { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_keep_a_call_alive() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = talk(&replica, &world).await;
    for _ in 0..3 {
        round(&replica, &call, &[world.bob, world.stranger]).await;
    }
    assert!(get(&replica, &call, world.bob).await.caller_lost_at.is_some());
}
