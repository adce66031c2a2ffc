use std::collections::BTreeSet;

use godwit_contract::v1::server_frame::Frame;
use godwit_testkit::eventually;
use serde_json::json;

use crate::stage::{SOON, Services, Stage, elsewhere, somebody};

/// Who is here by what was reported.
fn told(services: &Services) -> BTreeSet<String> {
    let mut here = BTreeSet::new();
    for report in services.reports.lock().iter() {
        here.extend(report.joined_user_ids.iter().chain(&report.away_user_ids).cloned());
        for user in &report.left_user_ids {
            here.remove(user);
        }
    }
    here
}

#[tokio::test]
async fn a_user_joins_with_the_first_socket_and_leaves_with_the_last() {
    let stage = Stage::start().await;
    let (ada, bob) = (somebody(), somebody());
    let first = stage.connect(&ada).await;
    let second = stage.connect(&elsewhere(&ada)).await;
    let _other = stage.connect(&bob).await;
    let both = BTreeSet::from([ada.user_id.to_string(), bob.user_id.to_string()]);
    eventually(SOON, || async { told(&stage.services) == both }).await;
    first.close().await;
    second.close().await;
    eventually(SOON, || async { told(&stage.services) == BTreeSet::from([bob.user_id.to_string()]) }).await;
    let reports = stage.services.reports.lock();
    let joins: Vec<_> = reports.iter().flat_map(|report| &report.joined_user_ids).collect();
    assert_eq!(joins.len(), 2, "each user once: {joins:?}");
    assert!(reports.iter().all(|report| report.node_id == reports.first().unwrap().node_id));
}

#[tokio::test]
async fn a_lost_lease_is_answered_with_everybody() {
    let stage = Stage::start().await;
    let caller = somebody();
    let _client = stage.connect(&caller).await;
    eventually(SOON, || async { told(&stage.services).len() == 1 }).await;
    stage.services.reports.lock().clear();
    *stage.services.ask_for_all.lock() = true;
    eventually(SOON, || async { told(&stage.services) == BTreeSet::from([caller.user_id.to_string()]) }).await;
}

#[tokio::test]
async fn a_gateway_that_stops_tells_who_left_and_then_gives_its_lease_back() {
    let stage = Stage::start().await;
    let caller = somebody();
    let _client = stage.connect(&caller).await;
    eventually(SOON, || async { told(&stage.services).len() == 1 }).await;
    stage.stop().await;
    let reports = stage.services.reports.lock();
    let left = reports.iter().position(|report| report.left_user_ids.contains(&caller.user_id.to_string())).unwrap();
    let leaving = reports.iter().position(|report| report.leaving).unwrap();
    assert!(left < leaving);
}

/// What was told last of a user: whether they are away.
fn is_away(services: &Services, user: &str) -> Option<bool> {
    services.reports.lock().iter().rev().find_map(|report| {
        let is_in = |list: &[String]| list.iter().any(|id| id == user);
        match (is_in(&report.joined_user_ids), is_in(&report.away_user_ids)) {
            (false, false) => None,
            (is_active, _) => Some(!is_active),
        }
    })
}

#[tokio::test]
async fn a_user_is_away_when_all_of_their_connections_are() {
    let stage = Stage::start().await;
    let ada = somebody();
    let user = ada.user_id.to_string();
    let (mut phone, mut laptop) = (stage.connect(&ada).await, stage.connect(&elsewhere(&ada)).await);
    let says = |status: &str| json!({"id": "p", "presence": {"status": status}});
    let told = async |is_so: bool| eventually(SOON, || async { is_away(&stage.services, &user) == Some(is_so) }).await;
    told(false).await;
    for (place, status, is_away) in
        [(0, "PRESENCE_STATUS_AWAY", false), (1, "PRESENCE_STATUS_AWAY", true), (0, "PRESENCE_STATUS_ONLINE", false)]
    {
        let client = if place == 0 { &mut phone } else { &mut laptop };
        client.say(says(status)).await;
        assert!(matches!(client.frame().await.frame, Some(Frame::Done(_))));
        told(is_away).await;
    }
    phone.close().await;
    told(true).await;
    for status in ["PRESENCE_STATUS_OFFLINE", "PRESENCE_STATUS_UNSPECIFIED"] {
        laptop.say(says(status)).await;
        assert_eq!(laptop.error().await.1, "INVALID_ARGUMENT");
    }
    stage.services.reports.lock().clear();
    *stage.services.ask_for_all.lock() = true;
    told(true).await;
}
