//! What only a cluster that obeys can show: librdkafka's own mock, of which brokers can be taken away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_events::kafka::{KafkaLog, KafkaOptions};
use godwit_events::topics::CHAT_UPDATES;
use godwit_events::{Error, EventLog as _};
use godwit_testkit::eventually;
use rdkafka::mocking::MockCluster;

use crate::group::{record, texts};
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
