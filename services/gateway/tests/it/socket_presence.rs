use std::collections::BTreeSet;

use godwit_testkit::eventually;

use crate::stage::{SOON, Services, Stage, elsewhere, somebody};

/// Who is here by what was reported.
fn told(services: &Services) -> BTreeSet<String> {
    let mut here = BTreeSet::new();
    for report in services.reports.lock().iter() {
        here.extend(report.joined_user_ids.iter().cloned());
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
async fn a_gateway_that_stops_takes_its_users_with_it() {
    let stage = Stage::start().await;
    let _client = stage.connect(&somebody()).await;
    eventually(SOON, || async { told(&stage.services).len() == 1 }).await;
    stage.stop().await;
    assert!(stage.services.reports.lock().iter().any(|report| report.leaving));
}
