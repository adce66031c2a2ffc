use std::time::Duration;

use godwit_call_signaling::Error;
use godwit_call_signaling::domain::{Event, Refusal, State};
use godwit_contract::v1::CallState;
use godwit_rpc::ServiceError as _;
use godwit_testkit::eventually;
use tonic::Code;

use crate::auth::Answer;
use crate::replica::{Phone, Replica, SOON, World, get, new_call_id, other_device};

#[tokio::test(flavor = "multi_thread")]
async fn both_parties_see_a_call_ring_answered_and_end() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let (mut adas, mut bobs) = (Phone::of(&world, world.ada).await, Phone::of(&world, world.bob).await);

    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    replica.app.act_on_call(call.id, world.ada, Event::End).await.unwrap();

    for phone in [&mut adas, &mut bobs] {
        for state in [CallState::Ringing, CallState::Accepted, CallState::Ended] {
            assert_eq!(phone.sees().await, state);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_call_is_in_the_history_and_the_outbox_once() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let asked = world.call_to_bob();
    let call = replica.app.create_call(asked).await.unwrap();
    replica.app.act_on_call(call.id, world.bob, Event::Decline).await.unwrap();

    eventually(SOON, async || replica.app.node.peek(|machine| machine.call(call.id).is_none())).await;
    assert_eq!(get(&replica, &call, world.ada).await.state, State::Declined);
    assert_eq!(world.event_count().await, 1);
    // A late resend of the request finds the same call and rings nobody.
    assert_eq!(replica.app.create_call(asked).await.unwrap().state, State::Declined);
    let late = replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap_err();
    assert_eq!(late.reason(), "CALL_WRONG_STATE");
    // And so does a late resend of what was done to it, but for strangers.
    assert_eq!(replica.app.act_on_call(call.id, world.bob, Event::Decline).await.unwrap().state, State::Declined);
    let stranger = replica.app.act_on_call(call.id, world.stranger, Event::Decline).await.unwrap_err();
    assert_eq!(stranger.reason(), "CALL_NOT_FOUND");
    assert_eq!(world.event_count().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_devices_that_answer_at_once_one_wins() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();

    let devices = [world.bob, other_device(world.bob), other_device(world.bob)];
    let [a, b, c] = devices.map(|device| replica.app.act_on_call(call.id, device, Event::Accept));
    let (a, b, c) = tokio::join!(a, b, c);

    let results = [a, b, c];
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let lost = results.iter().filter_map(|result| result.as_ref().err());
    assert!(lost.into_iter().all(|error| matches!(error, Error::Refused(Refusal::AnsweredElsewhere))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_nobody_answers_is_missed_after_45_seconds() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut bobs = Phone::of(&world, world.bob).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    assert_eq!(bobs.sees().await, CallState::Ringing);

    world.clock.advance(Duration::from_millis(44_999));
    replica.app.expire_calls().await.unwrap();
    assert_eq!(get(&replica, &call, world.bob).await.state, State::Ringing);

    world.clock.advance(Duration::from_millis(1));
    assert_eq!(bobs.sees().await, CallState::Missed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ringing_call_survives_the_death_of_the_process() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let ringing = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.kill().await;

    let replica = Replica::start(&world).await;
    assert_eq!(get(&replica, &ringing, world.bob).await, ringing);
    let accepted = replica.app.act_on_call(ringing.id, world.bob, Event::Accept).await.unwrap();
    assert_eq!(accepted.callee_device_id, Some(world.bob.device_id));
    replica.kill().await;

    let replica = Replica::start(&world).await;
    assert_eq!(get(&replica, &ringing, world.ada).await, accepted);
    replica.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_call_is_on_disk_when_its_answer_returns() {
    let mut world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    let accepted = replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    // What a power cut leaves: the file as it is at this moment, not closed.
    let after_power_cut = tempfile::tempdir().unwrap();
    let file = "node-1.redb";
    std::fs::copy(world.data_dir.path().join(file), after_power_cut.path().join(file)).unwrap();
    replica.kill().await;

    world.data_dir = after_power_cut;
    let replica = Replica::start(&world).await;
    assert_eq!(get(&replica, &call, world.ada).await, accepted);
    replica.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_begins_to_lead_tells_how_calls_stand() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.kill().await;

    // As if the process had died between the commit and the frame.
    let mut bobs = Phone::of(&world, world.bob).await;
    let replica = Replica::start(&world).await;
    assert_eq!(bobs.sees().await, CallState::Ringing);
    replica.app.act_on_call(call.id, world.ada, Event::Cancel).await.unwrap();
    assert_eq!(bobs.sees().await, CallState::Cancelled);
    replica.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_hangs_up_ends_and_frees_its_parties() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut adas = Phone::of(&world, world.ada).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    world.clock.advance(Duration::from_secs(12 * 3_600));
    for state in [CallState::Ringing, CallState::Accepted, CallState::Ended] {
        assert_eq!(adas.sees().await, state);
    }
    assert_eq!(replica.app.create_call(world.call_to_bob()).await.unwrap().state, State::Ringing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_missed_while_the_process_was_dead_is_told_after_its_return() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.kill().await;
    world.clock.advance(Duration::from_secs(60));

    let mut adas = Phone::of(&world, world.ada).await;
    let replica = Replica::start(&world).await;
    assert_eq!(adas.sees().await, CallState::Missed);
    eventually(SOON, async || get(&replica, &call, world.ada).await.state == State::Missed).await;
    replica.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_partners_of_a_direct_chat_can_be_called() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut asked = world.call_to_bob();
    asked.callee_id = world.stranger.user_id;
    assert_eq!(replica.app.create_call(asked).await.unwrap_err().reason(), "CALLEE_NOT_FOUND");
    asked.callee_id = world.ada.user_id;
    assert_eq!(replica.app.create_call(asked).await.unwrap_err().reason(), "INVALID_ARGUMENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_finds_no_call() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    let stranger = world.stranger;
    for event in [Event::Accept, Event::Decline, Event::Cancel, Event::End] {
        let refused = replica.app.act_on_call(call.id, stranger, event).await.unwrap_err();
        assert_eq!(refused.reason(), "CALL_NOT_FOUND");
    }
    assert_eq!(replica.app.get_call(call.id, stranger.user_id).await.unwrap_err().reason(), "CALL_NOT_FOUND");
    assert_eq!(replica.app.get_call(new_call_id(), world.ada.user_id).await.unwrap_err().reason(), "CALL_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_block_or_privacy_protects_is_not_rung() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut bobs = Phone::of(&world, world.bob).await;
    for (answer, code, reason) in [
        (Answer::No("BLOCKED"), Code::PermissionDenied, "BLOCKED"),
        (Answer::No("PRIVACY"), Code::PermissionDenied, "PRIVACY"),
        (Answer::No("USER_NOT_FOUND"), Code::NotFound, "CALLEE_NOT_FOUND"),
        (Answer::Down, Code::Unavailable, "PEER_UNAVAILABLE"),
    ] {
        world.auth.set(answer);
        let refused = replica.app.create_call(world.call_to_bob()).await.unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (code, reason));
    }
    world.auth.set(Answer::Yes);
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.act_on_call(call.id, world.ada, Event::Cancel).await.unwrap();
    // Nothing else was told before.
    for state in [CallState::Ringing, CallState::Cancelled] {
        assert_eq!(bobs.sees().await, state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_does_not_end_a_running_call() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let asked = world.call_to_bob();
    let call = replica.app.create_call(asked).await.unwrap();
    world.auth.set(Answer::No("BLOCKED"));
    replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    assert_eq!(replica.app.create_call(asked).await.unwrap().state, State::Accepted, "a resend finds its call");
    assert_eq!(replica.app.act_on_call(call.id, world.ada, Event::End).await.unwrap().state, State::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn push_is_told_when_a_call_rings_and_when_it_does_not_any_more() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    replica.app.act_on_call(call.id, world.ada, Event::End).await.unwrap();
    let told = world.alerts.told.lock().unwrap().clone();
    let states: Vec<CallState> = told.iter().map(godwit_contract::v1::Call::state).collect();
    assert_eq!(states, [CallState::Ringing, CallState::Accepted]);
    assert!(told.iter().all(|told| told.id == call.id.to_string()));
    assert_eq!(told[1].callee_device_id, world.bob.device_id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_without_push() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    world.alerts.is_away.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut bobs = Phone::of(&world, world.bob).await;
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    assert_eq!(bobs.sees().await, CallState::Ringing);
    let accepted = replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    assert_eq!(accepted.state, State::Accepted);
}
