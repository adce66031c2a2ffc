//! Replicas on machines of their own, one of which the network forgets. Needs root, for network
//! namespaces; `GODWIT_TEST_WITHOUT_NAMESPACES=1` leaves these tests out where there are none.

use futures_util::future::join_all;
use godwit_contract::v1::CallState;
use godwit_testkit::{ClusterOptions, Shape, eventually};

use super::network::Network;
use super::record::Record;
use super::stage::{Group, PATIENCE, REPLICAS, act, done, ring, until};
use crate::support::{Account, Pair};

fn number_of(replica: &str) -> u8 {
    (1..).zip(REPLICAS).find(|(_, name)| *name == replica).unwrap().0
}

fn others(replica: &str) -> Vec<&'static str> {
    REPLICAS.into_iter().filter(|name| *name != replica).collect()
}

#[tokio::test]
async fn a_replica_that_is_cut_off_decides_nothing_and_finds_its_place_again() {
    let Some(network) = Network::new() else { return };
    let options = ClusterOptions::new(Shape::Separate).call_group_at(network.host(), network.places());
    let group = Group::start_with(options).await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    let mut devices = Vec::new();
    for gateway in [group.cluster.gateway(), group.cluster.other_gateway()] {
        devices.push(Account::log_in(gateway, &pair.bob.username, &pair.bob.email).await);
    }

    // The one that leads, while a call rings: it must not make the call missed that the others know to be answered.
    let call = ring(&pair).await;
    let old = group.leader().await;
    network.cut(number_of(old));
    let answers = join_all(devices.iter().map(|device| act(device, &call, "accept"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    let rest = others(old);
    let new = eventually(PATIENCE, || group.leads_among(&rest)).await;
    let ended = done(&pair.ada, &call, "end").await;
    record.note(&ended);
    // One more rings when it comes back.
    let ringing = ring(&pair).await;
    network.heal(number_of(old));
    catches_up(&group, old).await;
    let now = until(&pair.ada, &call, "there", |_| true).await;
    assert_eq!((now.state(), now.ended_at), (CallState::Ended, ended.ended_at));

    // With it the group does without another one, and the call that began in its absence goes on.
    network.cut(number_of(new));
    record.note(&done(&pair.bob, &ringing, "decline").await);
    network.heal(number_of(new));
    catches_up(&group, new).await;

    // A follower comes and goes, and nobody notices.
    let follower = others(group.leader().await)[0];
    network.cut(number_of(follower));
    let call = ring(&pair).await;
    done(&pair.bob, &call, "accept").await;
    network.heal(number_of(follower));
    record.note(&done(&pair.bob, &call, "end").await);
    catches_up(&group, follower).await;
    record.assert_told_once(&group, &pair).await;
}

/// Waits until a replica that was cut off names the leader that the others name.
async fn catches_up(group: &Group, replica: &str) {
    eventually(PATIENCE, || async {
        let leader = group.leader().await;
        let here = group.members(replica, &[]).await?;
        let marked = here.lines().find(|line| line.ends_with("  leads"));
        if marked.is_some_and(|line| line.contains(&group.address(leader))) { Ok(()) } else { Err(here) }
    })
    .await;
}

#[tokio::test]
async fn without_a_majority_calls_wait_and_then_go_on() {
    let Some(network) = Network::new() else { return };
    let options = ClusterOptions::new(Shape::Separate).call_group_at(network.host(), network.places());
    let group = Group::start_with(options).await;
    let pair = Pair::create(&group.cluster).await;
    let mut record = Record::default();
    let call = ring(&pair).await;
    let leader = group.leader().await;
    for replica in others(leader) {
        network.cut(number_of(replica));
    }
    let path = format!("/calls/{}/accept", call.id);
    // The one that led is still there, and does not dare.
    let refused = pair.bob.rest.try_post(&path, serde_json::json!({})).await.unwrap();
    assert!([503, 504].contains(&refused.status), "{refused:?}");
    for replica in others(leader) {
        network.heal(number_of(replica));
    }
    assert_eq!(done(&pair.bob, &call, "accept").await.state(), CallState::Accepted);
    record.note(&done(&pair.ada, &call, "end").await);
    record.assert_told_once(&group, &pair).await;
}
