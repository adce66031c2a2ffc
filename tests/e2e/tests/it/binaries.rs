//! Every service as a binary of its own.

use godwit_testkit::{ClusterOptions, Shape};

use crate::support::Pair;

#[tokio::test]
async fn every_service_runs_and_ends_as_its_own_binary() {
    let mut cluster = ClusterOptions::new(Shape::Separate).own_binaries().start().await;
    let Pair { ada, bob, chat_id } = Pair::create(&cluster).await;
    let sent = ada.send(&chat_id, "own-binary", "Hello, Bob").await;
    assert_eq!(bob.whole_log(&chat_id).await.last().unwrap().seq, sent.seq);
    let names: Vec<String> = cluster.process_names().into_iter().map(str::to_owned).collect();
    assert_eq!(names.len(), 10, "nine services, two of them gateways: {names:?}");
    // Gateways first, as a rollout does it.
    for name in names.iter().rev() {
        assert_eq!(cluster.stop(name).await, Some(0), "{name} ends in order");
    }
}
