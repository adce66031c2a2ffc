//! What the people in a call do, and what becomes of them, while the group runs.

use std::time::Duration;

use godwit_contract::auth::v1::ListSessionsResponse;
use godwit_contract::call::v1::CreateCallResponse;
use godwit_contract::v1::{Call, CallEndCause, CallState};
use godwit_testkit::eventually;
use serde_json::Value;

use super::record::Record;
use super::stage::{Group, PATIENCE, act, ask, call_to, done, look, ring, sees, until};
use crate::support::{Account, Encoding, Pair, Socket};

#[tokio::test]
async fn two_who_call_each_other_at_once_through_two_gateways_are_in_one_call() {
    let group = Group::shared().await;
    let pair = Pair::create(&group.cluster).await;
    let Pair { ada, bob, .. } = &pair;
    let mut record = Record::default();
    let (mut adas, mut bobs) = tokio::join!(ada.connect(Encoding::Json), bob.connect(Encoding::Binary));
    for _ in 0..10 {
        let (to_bob, to_ada) = (call_to(bob), call_to(ada));
        let (from_ada, from_bob) =
            tokio::join!(ask(&ada.rest, "/calls", to_bob.clone()), ask(&bob.rest, "/calls", to_ada.clone()));
        let from_ada = from_ada.created::<CreateCallResponse>().call.unwrap();
        let from_bob = from_bob.created::<CreateCallResponse>().call.unwrap();
        assert_eq!(from_ada.id, from_bob.id, "one call for both");
        for socket in [&mut adas, &mut bobs] {
            let told = sees(socket, &from_ada, CallState::Accepted).await;
            let devices = [told.caller_device_id.clone(), told.callee_device_id.clone()];
            assert!(devices.contains(&ada.device_id) && devices.contains(&bob.device_id), "{told:?}");
        }
        // Each id names it, for either of the two.
        for asked in [&to_bob, &to_ada] {
            let named = Call { id: asked["call_id"].as_str().unwrap().to_owned(), ..Call::default() };
            for person in [ada, bob] {
                let found = until(person, &named, "accepted", |call| call.state() == CallState::Accepted).await;
                assert_eq!(found.id, from_ada.id);
            }
        }
        record.note(&done(ada, &from_ada, "end").await);
    }
    record.assert_told_once(&group, &pair).await;
}

#[tokio::test]
async fn a_device_is_told_at_once_that_another_one_answered() {
    let group = Group::shared().await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    let phone = Account::log_in(group.cluster.gateway(), &pair.bob.username, &pair.bob.email).await;
    let tablet = Account::log_in(group.cluster.other_gateway(), &pair.bob.username, &pair.bob.email).await;
    let (mut phones, mut tablets) = tokio::join!(phone.connect(Encoding::Json), tablet.connect(Encoding::Binary));

    let call = ring(&pair).await;
    for socket in [&mut phones, &mut tablets] {
        assert_eq!(sees(socket, &call, CallState::Ringing).await.callee_device_id, "");
    }
    assert_eq!(done(&phone, &call, "accept").await.callee_device_id, phone.device_id);
    for socket in [&mut phones, &mut tablets] {
        assert_eq!(sees(socket, &call, CallState::Accepted).await.callee_device_id, phone.device_id);
    }
    assert_eq!(act(&tablet, &call, "accept").await.problem(409), "CALL_ANSWERED_ELSEWHERE");
    // The one that has it may ask again.
    assert_eq!(done(&phone, &call, "accept").await.callee_device_id, phone.device_id);

    let ended = done(&phone, &call, "end").await;
    assert_eq!(ended.callee_device_id, phone.device_id);
    for socket in [&mut phones, &mut tablets] {
        sees(socket, &call, CallState::Ended).await;
    }
    record.note(&ended);
    record.assert_told_once(&group, &pair).await;
}

#[tokio::test]
async fn the_end_of_a_session_hangs_up_for_its_device_and_no_other() {
    let group = Group::shared().await;
    let pair = Pair::create(&group.cluster).await;
    let Pair { ada, bob, .. } = &pair;
    let mut record = Record::default();
    let phone = Account::log_in(group.cluster.other_gateway(), &bob.username, &bob.email).await;
    let tablet = Account::log_in(group.cluster.gateway(), &bob.username, &bob.email).await;

    let call = ring(&pair).await;
    done(&phone, &call, "accept").await;
    end_session(bob, &tablet).await;
    end_session(bob, &phone).await;
    let ended = until(ada, &call, "ended", |call| call.state() == CallState::Ended).await;
    assert_eq!((ended.end_cause(), &ended.callee_device_id), (CallEndCause::SessionEnded, &phone.device_id));
    record.note(&ended);

    // A caller who is logged out rings no more.
    let other = Account::log_in(group.cluster.gateway(), &ada.username, &ada.email).await;
    let asked = call_to(bob);
    let call = ask(&other.rest, "/calls", asked).await.created::<CreateCallResponse>().call.unwrap();
    end_session(ada, &other).await;
    let cancelled = until(bob, &call, "cancelled", |call| call.state() == CallState::Cancelled).await;
    assert_eq!(cancelled.end_cause(), CallEndCause::SessionEnded);
    record.note(&cancelled);
    record.assert_told_once(&group, &pair).await;
}

/// As a person does who has lost a device.
async fn end_session(by: &Account, of: &Account) {
    let sessions: ListSessionsResponse = by.rest.get("/auth/sessions").await.ok();
    let session = sessions
        .sessions
        .iter()
        .find(|session| session.device.as_ref().is_some_and(|device| device.id == of.device_id));
    by.rest.delete(&format!("/auth/sessions/{}", session.unwrap().id)).await.ok::<Value>();
}

const RETURN_SECS: i64 = 30;
/// The timer looks four times a second; the machine that runs the test may be busy.
const LATE_SECS: i64 = 5;

/// Both wait for half a minute and more, each for calls of its own.
#[tokio::test]
async fn who_loses_the_connection_may_come_back_within_30_seconds_and_a_call_that_both_left_ends_by_itself() {
    let group = Group::shared().await;
    tokio::join!(
        who_loses_the_connection_may_come_back_within_30_seconds(&group),
        a_call_between_two_who_both_went_away_ends_by_itself(&group),
    );
}

async fn who_loses_the_connection_may_come_back_within_30_seconds(group: &Group) {
    let pair = Pair::create(&group.cluster).await;
    let (adas, bobs) = tokio::join!(pair.ada.connect(Encoding::Json), pair.bob.connect(Encoding::Json));
    tokio::select! {
        () = listen(adas) => {}
        () = come_and_go(group, &pair, bobs) => {}
    }
}

/// Stays connected.
async fn listen(mut socket: Socket) {
    loop {
        socket.next().await.expect("the connection stays");
    }
}

async fn come_and_go(group: &Group, pair: &Pair, bobs: Socket) {
    let Pair { ada, bob, .. } = pair;
    let mut record = Record::default();
    let call = ring(pair).await;
    done(bob, &call, "accept").await;
    drop(bobs);
    let lost = until(ada, &call, "lost", |call| call.callee_lost_at.is_some()).await;
    assert_eq!((lost.state(), lost.caller_lost_at), (CallState::Accepted, None));

    // Back at the other gateway, in time: they talk on, for longer than they could if the time went on.
    let bobs = bob.connect_at(group.cluster.gateway(), Encoding::Binary).await;
    let listening = listen(bobs);
    tokio::select! {
        () = listening => {}
        () = async {
            until(ada, &call, "back", |call| call.callee_lost_at.is_none()).await;
            // Nothing can be waited for but that nothing happens.
            tokio::time::sleep(Duration::from_secs(35)).await;
            let now = look(ada, &call).await.unwrap();
            assert_eq!((now.state(), now.callee_lost_at), (CallState::Accepted, None));
        } => {}
    }

    // The socket went with what listened to it. Nobody comes.
    let lost = until(ada, &call, "lost again", |call| call.callee_lost_at.is_some()).await;
    let lost_at = lost.callee_lost_at.unwrap().seconds;
    let ended = until(ada, &call, "ended", |call| call.state() == CallState::Ended).await;
    assert_eq!(ended.end_cause(), CallEndCause::ConnectionLost);
    let waited = ended.ended_at.as_ref().unwrap().seconds - lost_at;
    assert!((RETURN_SECS - 1..=RETURN_SECS + LATE_SECS).contains(&waited), "it ended after {waited} s");
    record.note(&ended);
    record.assert_told_once(group, pair).await;
}

async fn a_call_between_two_who_both_went_away_ends_by_itself(group: &Group) {
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    // Neither has a socket: both are asked after in vain.
    let call = ring(&pair).await;
    done(&pair.bob, &call, "accept").await;
    let ended =
        eventually(PATIENCE, || async { look(&pair.ada, &call).await.filter(|call| call.state() == CallState::Ended) })
            .await;
    assert_eq!(ended.end_cause(), CallEndCause::ConnectionLost);
    record.note(&ended);
    record.assert_told_once(group, &pair).await;
}
