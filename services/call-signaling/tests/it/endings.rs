//! Calls that end, or begin, in other ways than by a button.

use std::time::Duration;

use godwit_call_signaling::domain::{EndCause, Event, Media, State};
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{CallEndCause, CallState};
use godwit_kernel::Clock as _;
use godwit_rpc::{ServiceError as _, timestamp};
use godwit_testkit::eventually;

use crate::replica::{Phone, Replica, SOON, World, get, new_call_id, other_device};

#[tokio::test(flavor = "multi_thread")]
async fn two_who_call_each_other_at_once_are_in_one_call() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let from_ada = world.call_to_bob();
    let mut from_bob = from_ada;
    (from_bob.id, from_bob.caller, from_bob.callee_id) = (new_call_id(), world.bob, world.ada.user_id);
    from_bob.media = Media::Voice;

    let (first, second) = tokio::join!(replica.app.create_call(from_ada), replica.app.create_call(from_bob));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.id, second.id);
    let call = get(&replica, &first, world.ada).await;
    assert_eq!(call.state, State::Accepted);
    assert!(call.callee_device_id.is_some());

    // Both ids name it, for a resend too, and when it is over.
    for asked in [from_ada, from_bob] {
        assert_eq!(replica.app.create_call(asked).await.unwrap().id, call.id);
        assert_eq!(replica.app.get_call(asked.id, world.bob.user_id).await.unwrap().id, call.id);
    }
    replica.app.act_on_call(from_bob.id, world.bob, Event::End).await.unwrap();
    eventually(SOON, async || replica.app.node.peek(|machine| machine.calls().count() == 0)).await;
    for asked in [from_ada, from_bob] {
        let again = replica.app.create_call(asked).await.unwrap();
        assert_eq!((again.id, again.state), (call.id, State::Ended));
    }
    assert_eq!(world.event_count().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_hangs_up_for_its_device() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut bobs = Phone::of(&world, world.bob).await;
    let tablet = other_device(world.bob);

    // Ringing: of the caller's session it is cancelled, of a callee's it goes on ringing the others.
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.end_session(world.bob.user_id, world.bob.session_id.unwrap()).await.unwrap();
    assert_eq!(get(&replica, &call, world.bob).await.state, State::Ringing);
    replica.app.end_session(world.ada.user_id, world.ada.session_id.unwrap()).await.unwrap();
    for state in [CallState::Ringing, CallState::Cancelled] {
        assert_eq!(bobs.sees().await, state);
    }

    // Accepted: of a device that is in it, and of no other.
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    replica.app.end_session(world.bob.user_id, tablet.session_id.unwrap()).await.unwrap();
    assert_eq!(get(&replica, &call, world.bob).await.state, State::Accepted);
    replica.app.end_session(world.bob.user_id, world.bob.session_id.unwrap()).await.unwrap();
    let ended = get(&replica, &call, world.ada).await;
    assert_eq!((ended.state, ended.end_cause), (State::Ended, Some(EndCause::SessionEnded)));
    // It is told again by the stream: nothing comes of it.
    replica.app.end_session(world.bob.user_id, world.bob.session_id.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_tells_of_each_call_once() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    world.logs.set_away(true);
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    replica.app.act_on_call(call.id, world.ada, Event::Cancel).await.unwrap();
    eventually(SOON, async || {
        let recorded = replica.app.list_history(world.bob.user_id, crate::history::newest(10)).await;
        recorded.unwrap().calls.iter().any(|recorded| recorded.id == call.id)
    })
    .await;
    assert_eq!(world.logs.appended().len(), 0);
    replica.kill().await;

    // The chat's log could not be told, and the replica died: the next one does.
    world.logs.set_away(false);
    let replica = Replica::start(&world).await;
    // A machine that has not read its log yet has no calls either.
    eventually(SOON, async || {
        !world.logs.appended().is_empty() && replica.app.node.peek(|machine| machine.calls().count() == 0)
    })
    .await;
    let appended = world.logs.appended();
    let [request] = appended.as_slice() else { panic!("{appended:?}") };
    let update = request.update.as_ref().unwrap();
    assert_eq!(
        (update.chat_id.clone(), update.actor_id.clone()),
        (world.chat_id.to_string(), world.ada.user_id.to_string())
    );
    let Some(Change::CallLogged(logged)) = &update.change else { panic!("{update:?}") };
    let told = logged.call.as_ref().unwrap();
    assert_eq!(
        (told.id.clone(), told.state(), told.end_cause()),
        (call.id.to_string(), CallState::Cancelled, CallEndCause::HungUp)
    );
    assert!(told.ended_at.is_some());
    assert_eq!(world.event_count().await, 1, "the stream was told once, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_tells_how_long_two_have_talked() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let created_at = world.clock.now();
    let call = replica.app.create_call(world.call_to_bob()).await.unwrap();
    world.clock.advance(Duration::from_millis(5_250));
    let accepted_at = world.clock.now();
    replica.app.act_on_call(call.id, world.bob, Event::Accept).await.unwrap();
    world.clock.advance(Duration::from_secs(83));
    let ended_at = world.clock.now();
    replica.app.act_on_call(call.id, world.ada, Event::End).await.unwrap();

    eventually(SOON, async || replica.app.node.peek(|machine| machine.calls().count() == 0)).await;
    let appended = world.logs.appended();
    let [request] = appended.as_slice() else { panic!("{appended:?}") };
    let Some(Change::CallLogged(logged)) = &request.update.as_ref().unwrap().change else { panic!("{request:?}") };
    let told = logged.call.as_ref().unwrap();
    assert_eq!((told.state(), told.end_cause()), (CallState::Ended, CallEndCause::HungUp));
    let times = [created_at, accepted_at, ended_at].map(|at| Some(timestamp(at)));
    assert_eq!([told.created_at, told.accepted_at, told.ended_at], times);
    // The history says the same.
    let recorded = get(&replica, &call, world.bob).await;
    assert_eq!((recorded.created_at, recorded.accepted_at), (created_at, Some(accepted_at)));
    assert_eq!(recorded.ended_at, Some(ended_at));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_crossed_is_nobody_elses() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let from_ada = world.call_to_bob();
    replica.app.create_call(from_ada).await.unwrap();
    let mut from_bob = from_ada;
    (from_bob.id, from_bob.caller, from_bob.callee_id) = (new_call_id(), world.bob, world.ada.user_id);
    replica.app.create_call(from_bob).await.unwrap();
    let stolen = replica.app.get_call(from_bob.id, world.stranger.user_id).await.unwrap_err();
    assert_eq!(stolen.reason(), "CALL_NOT_FOUND");
    let mut reused = from_ada;
    reused.id = from_bob.id;
    assert_eq!(replica.app.create_call(reused).await.unwrap_err().reason(), "CALL_ID_REUSED");
}
