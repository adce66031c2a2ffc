//! What only a cluster that obeys can show: librdkafka's own mock, of which brokers can be taken away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_events::kafka::{KafkaLog, KafkaOptions};
use godwit_events::topics::CHAT_UPDATES;
use godwit_events::{Error, EventLog as _};
use godwit_testkit::eventually;
use metrics_exporter_prometheus::PrometheusBuilder;
use rdkafka::mocking::{MockCluster, MockCoordinator};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::group::{Ledger, group, record, texts};
use crate::streams::kafka;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_fails_while_the_broker_is_away_and_then_succeeds() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(CHAT_UPDATES.name, 3, 1).unwrap();
    let log = kafka(cluster.bootstrap_servers(), "");
    log.publish(vec![record(&CHAT_UPDATES, "k", "before")]).await.unwrap();
    cluster.broker_down(1).unwrap();
    let error = log.publish(vec![record(&CHAT_UPDATES, "k", "meanwhile")]).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    cluster.broker_up(1).unwrap();
    eventually(Duration::from_secs(60), async || log.publish(vec![record(&CHAT_UPDATES, "k", "after")]).await).await;
}

/// A broker that answers does not know a coordinator that serves: librdkafka asks without end, and a new member is no worse.
/// When there is one again, the group goes on where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_finds_no_coordinator_is_replaced_and_the_group_goes_on() {
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let cluster = MockCluster::new(2).unwrap();
    cluster.create_topic(CHAT_UPDATES.name, 1, 1).unwrap();
    cluster.partition_leader(CHAT_UPDATES.name, 0, Some(2)).unwrap();
    let coordinator = |broker| cluster.coordinator(MockCoordinator::Group("lost".to_owned()), broker).unwrap();
    coordinator(1);
    let options = KafkaOptions {
        bootstrap_servers: cluster.bootstrap_servers(),
        session_timeout: Duration::from_secs(6),
        rejoin_after: Duration::from_secs(3),
        ..KafkaOptions::default()
    };
    let log = Arc::new(KafkaLog::new(options).unwrap());
    let (ledger, stop) = (Ledger::open(), CancellationToken::new());
    let group = group("lost", &[&CHAT_UPDATES], 10);
    let mut members = JoinSet::new();
    let (reading, taking, stopping) = (Arc::clone(&log), Arc::new(ledger.clone()), stop.clone());
    members.spawn(async move { reading.consume(group, taking, stopping).await });
    log.publish(vec![record(&CHAT_UPDATES, "k", "before")]).await.unwrap();
    let patience = Duration::from_secs(60);
    eventually(patience, async || ledger.has_all(&["before".to_owned()])).await;

    cluster.broker_down(1).unwrap();
    let rejoined = || metrics.render().contains(r#"godwit_events_rejoins_total{group="lost"}"#);
    eventually(patience, async || rejoined()).await;
    log.publish(vec![record(&CHAT_UPDATES, "k", "meanwhile")]).await.unwrap();
    coordinator(2);
    eventually(patience, async || ledger.has_all(&["meanwhile".to_owned()])).await;
    stop.cancel();
    members.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_waited_for_and_then_refused() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(CHAT_UPDATES.name, 3, 1).unwrap();
    let options = KafkaOptions {
        bootstrap_servers: cluster.bootstrap_servers(),
        queued_records_max: 10,
        publish_timeout: Duration::from_secs(3),
        ..KafkaOptions::default()
    };
    let log = Arc::new(KafkaLog::new(options).unwrap());
    let many = |count| texts("k", count).iter().map(|text| record(&CHAT_UPDATES, "k", text)).collect::<Vec<_>>();
    // Room is made while the caller waits.
    log.publish(many(100)).await.unwrap();
    cluster.broker_down(1).unwrap();
    let asked_at = Instant::now();
    let error = log.publish(many(100)).await.unwrap_err();
    assert!(matches!(error, Error::Overloaded | Error::Unavailable(_)), "{error:?}");
    assert!(asked_at.elapsed() < Duration::from_secs(15), "the time limit holds");
}
