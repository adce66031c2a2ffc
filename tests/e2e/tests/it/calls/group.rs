//! What becomes of calls when the processes that hold them die.

use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::call::v1::AcceptCallResponse;
use godwit_contract::v1::call_signal::Content;
use godwit_contract::v1::client_frame::Frame as ClientContent;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{Call, CallEndCause, CallSignal, CallSignalFrame, CallState};
use godwit_testkit::eventually;
use tokio::time::{Instant, sleep};

use super::record::Record;
use super::stage::{Group, PATIENCE, REPLICAS, act, done, look, ring, sees, until};
use crate::support::{Account, Answer, Encoding, Pair, Socket};

const RINGS_SECS: i64 = 45;
/// The next leader finds a call whose time is over at once; an election takes two seconds.
const LATE_SECS: i64 = 8;

#[tokio::test]
async fn a_call_that_rings_goes_on_ringing_when_the_leader_dies() {
    let mut group = Group::start().await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    let mut bobs = pair.bob.connect(Encoding::Json).await;

    let call = ring(&pair).await;
    sees(&mut bobs, &call, CallState::Ringing).await;
    let first = group.leader().await;
    group.cluster.kill(first);
    assert_eq!(done(&pair.bob, &call, "accept").await.state(), CallState::Accepted);
    sees(&mut bobs, &call, CallState::Accepted).await;
    assert_ne!(group.leader().await, first);
    group.cluster.start_again(first).await;
    record.note(&done(&pair.ada, &call, "end").await);
    sees(&mut bobs, &call, CallState::Ended).await;

    // Nobody answers, and who would count to 45 dies: it is missed all the same, and on time.
    let call = ring(&pair).await;
    let second = group.leader().await;
    group.cluster.kill(second);
    let missed = until(&pair.bob, &call, "missed", |call| call.state() == CallState::Missed).await;
    assert_eq!(missed.end_cause(), CallEndCause::TimedOut);
    let rang = missed.ended_at.as_ref().unwrap().seconds - missed.created_at.as_ref().unwrap().seconds;
    assert!((RINGS_SECS - 1..=RINGS_SECS + LATE_SECS).contains(&rang), "it rang for {rang} s");
    record.note(&missed);
    group.cluster.start_again(second).await;
    record.assert_told_once(&group, &pair).await;
}

#[tokio::test]
async fn of_devices_that_accept_while_the_leader_dies_one_has_the_call() {
    let mut group = Group::exclusive().await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    let mut devices = Vec::new();
    for gateway in [group.cluster.gateway(), group.cluster.other_gateway()].repeat(2) {
        devices.push(Account::log_in(gateway, &pair.bob.username, &pair.bob.email).await);
    }
    for round in 0..5 {
        let call = ring(&pair).await;
        let leader = group.leader().await;
        // Before, among and after the answers.
        let dies = async {
            sleep(Duration::from_millis(8 * round)).await;
            group.cluster.kill(leader);
        };
        let (answers, ()) = tokio::join!(join_all(devices.iter().map(|device| act(device, &call, "accept"))), dies);
        let winner = winner(&devices, &answers);
        let now = until(&pair.ada, &call, "accepted", |call| call.state() == CallState::Accepted).await;
        assert_eq!(now.callee_device_id, winner);
        group.cluster.start_again(leader).await;
        record.note(&done(&pair.ada, &call, "end").await);
    }
    record.assert_told_once(&group, &pair).await;
}

/// The one device whose answer was taken; all others were told of it.
fn winner(devices: &[Account], answers: &[Answer]) -> String {
    let mut winners = Vec::new();
    for (device, answer) in devices.iter().zip(answers) {
        if answer.status == 200 {
            let call = answer.ok::<AcceptCallResponse>().call.unwrap();
            assert_eq!(call.callee_device_id, device.device_id);
            winners.push(call.callee_device_id);
        } else {
            assert_eq!(answer.problem(409), "CALL_ANSWERED_ELSEWHERE");
        }
    }
    assert_eq!(winners.len(), 1, "{answers:?}");
    winners.remove(0)
}

const SIGNALS: u32 = 60;
const KILL_AFTER: u32 = 20;
const TRIED_AGAIN_AFTER: Duration = Duration::from_millis(100);

#[tokio::test]
async fn signals_arrive_in_order_when_the_leader_dies_between_them() {
    let mut group = Group::exclusive().await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    let (mut adas, mut bobs) = tokio::join!(pair.ada.connect(Encoding::Binary), pair.bob.connect(Encoding::Json));
    let call = ring(&pair).await;
    done(&pair.bob, &call, "accept").await;
    let mut killed = None;
    for number in 0..SIGNALS {
        if number == KILL_AFTER {
            let leader = group.leader().await;
            group.cluster.kill(leader);
            killed = Some(leader);
        }
        signal(&mut adas, &call, number).await;
    }
    // What was not answered was sent again, so that one may come twice, after itself; none is left out or overtaken.
    let mut heard = Vec::new();
    while heard.last() != Some(&(SIGNALS - 1)) {
        let number = hear(&mut bobs, &call).await;
        if heard.last() != Some(&number) {
            heard.push(number);
        }
    }
    assert_eq!(heard, (0..SIGNALS).collect::<Vec<_>>());
    group.cluster.start_again(killed.unwrap()).await;
    record.note(&done(&pair.bob, &call, "end").await);
    record.assert_told_once(&group, &pair).await;
}

/// Sends a signal until it was passed on.
async fn signal(socket: &mut Socket, call: &Call, number: u32) {
    let give_up_at = Instant::now() + PATIENCE;
    for attempt in 0.. {
        let signal = Some(CallSignal { content: Some(Content::Offer(number.to_string())) });
        let frame = CallSignalFrame { call_id: call.id.clone(), to_device_id: String::new(), signal };
        let id = format!("{number}-{attempt}");
        socket.send(&id, ClientContent::CallSignal(frame)).await;
        match socket.answer(&id).await {
            Frame::Done(_) => return,
            Frame::Error(refused) if [503, 504].contains(&refused.status) => {
                assert!(Instant::now() < give_up_at, "{refused:?}");
                // Who tries again at once is soon refused for that.
                tokio::time::sleep(TRIED_AGAIN_AFTER).await;
            }
            other => panic!("{number}: {other:?}"),
        }
    }
}

async fn hear(socket: &mut Socket, call: &Call) -> u32 {
    let heard = socket.until("signal", |frame| match frame.frame {
        Some(Frame::CallSignal(event)) if event.call_id == call.id => event.signal?.content,
        _ => None,
    });
    let Content::Offer(number) = heard.await else { panic!("it is no offer") };
    number.parse().unwrap()
}

#[tokio::test]
async fn calls_are_as_they_were_when_all_three_have_died_and_started_again() {
    let mut group = Group::exclusive().await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();

    let call = ring(&pair).await;
    kill_all(&mut group).await;
    let now = until(&pair.bob, &call, "there", |_| true).await;
    assert_eq!((now.state(), now.created_at), (CallState::Ringing, call.created_at));

    let accepted = done(&pair.bob, &call, "accept").await;
    kill_all(&mut group).await;
    let now = until(&pair.ada, &call, "there", |_| true).await;
    assert_eq!(
        (now.state(), &now.callee_device_id, now.accepted_at),
        (CallState::Accepted, &accepted.callee_device_id, accepted.accepted_at)
    );

    // Over, and perhaps not recorded.
    let ended = done(&pair.ada, &call, "end").await;
    kill_all(&mut group).await;
    record.note(&ended);
    let now = until(&pair.ada, &call, "there", |_| true).await;
    assert_eq!((now.state(), now.ended_at), (CallState::Ended, ended.ended_at));
    record.assert_told_once(&group, &pair).await;
}

/// By SIGKILL, one right after the other, so that none can tell another anything; then all start from their disks.
async fn kill_all(group: &mut Group) {
    for replica in REPLICAS {
        group.cluster.kill(replica);
    }
    for replica in REPLICAS {
        group.cluster.start_again(replica).await;
    }
    group.leader().await;
}

#[tokio::test]
async fn a_leader_that_froze_knows_that_it_leads_no_more() {
    let group = Group::exclusive().await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    let call = ring(&pair).await;
    let frozen = group.leader().await;
    group.cluster.pause(frozen);
    assert_eq!(done(&pair.bob, &call, "decline").await.state(), CallState::Declined);
    group.cluster.resume(frozen);
    // Whichever of the three a gateway asks, nobody is told that the call rings.
    for _ in 0..30 {
        let now = look(&pair.ada, &call).await;
        assert!(now.as_ref().is_none_or(|now| now.state() == CallState::Declined), "{now:?}");
    }
    eventually(PATIENCE, || async { group.leads(frozen).await == Some(false) }).await;
    record.note(&look(&pair.ada, &call).await.unwrap());
    record.assert_told_once(&group, &pair).await;
}

#[tokio::test]
async fn an_operator_is_told_who_is_in_the_group_and_who_leads_it() {
    let group = Group::shared().await;
    let leader = group.leader().await;
    let line = |number: usize, replica: &str| {
        let mark = if replica == leader { "  leads" } else { "" };
        format!("{number}  {}{mark}\n", group.address(replica))
    };
    let wanted: String = (1..).zip(REPLICAS).map(|(number, replica)| line(number, replica)).collect();
    for replica in REPLICAS {
        assert_eq!(group.members(replica, &[]).await.as_ref(), Ok(&wanted));
    }
    // Whichever is asked to make them what they are.
    let same: Vec<String> =
        (1..).zip(REPLICAS).map(|(number, replica): (u64, _)| format!("{number}={}", group.address(replica))).collect();
    for replica in REPLICAS {
        assert_eq!(group.members(replica, &same).await.as_ref(), Ok(&wanted));
    }
}
