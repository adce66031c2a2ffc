//! What librdkafka calls back, and the names of topics in the cluster.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use tokio::sync::Notify;

use super::client;
use super::lanes::Key;
use crate::ConsumerGroup;

/// What librdkafka tells about the group, on the thread that polls.
pub(super) struct Context {
    pub(super) group: &'static str,
    names: Names,
    revoked: Mutex<Vec<Key>>,
    /// Since when no coordinator of the group is found though a broker answers.
    lost_since: Mutex<Option<Instant>>,
    pub(super) changed: Notify,
}

/// Topics of the group by their names in the cluster.
#[derive(Clone)]
pub(super) struct Names(pub(super) Arc<[(String, &'static str)]>);

impl Names {
    pub(super) fn new(prefix: &str, group: &ConsumerGroup) -> Self {
        Self(group.topics.iter().map(|topic| (format!("{prefix}{}", topic.name), topic.name)).collect())
    }

    pub(super) fn full(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(_, short)| *short == name).map(|(full, _)| full.as_str())
    }

    pub(super) fn short(&self, full: &str) -> Option<&'static str> {
        self.0.iter().find(|(name, _)| name == full).map(|(_, short)| *short)
    }

    pub(super) fn list(&self, key: Key) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        if let Some(full) = self.full(key.0) {
            list.add_partition(full, key.1);
        }
        list
    }
}

impl Context {
    pub(super) fn new(group: &'static str, names: Names) -> Self {
        Self { group, names, revoked: Mutex::default(), lost_since: Mutex::default(), changed: Notify::new() }
    }

    /// For how long no coordinator of the group was found though a broker answers. librdkafka looks for one without end, and may
    /// never find it, as after a broker was restarted (confluentinc/librdkafka#3082).
    pub(super) fn lost_for(&self) -> Duration {
        let since = *self.lost_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// The partitions that were taken away since the last call.
    pub(super) fn take_revoked(&self) -> Vec<Key> {
        std::mem::take(&mut *self.revoked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a broker answers and the group has no coordinator.
fn is_lost(statistics: &Statistics) -> bool {
    let has_broker = statistics.brokers.values().any(|broker| broker.state == "UP" && broker.source != "logical");
    has_broker && statistics.cgrp.as_ref().is_some_and(|group| group.state != "up")
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(group = self.group, reason, error = &error as &dyn std::error::Error, "kafka consumer");
    }

    fn stats(&self, statistics: Statistics) {
        let mut lost_since = self.lost_since.lock().unwrap_or_else(PoisonError::into_inner);
        if is_lost(&statistics) {
            lost_since.get_or_insert_with(Instant::now);
            self.changed.notify_one();
        } else {
            *lost_since = None;
        }
        drop(lost_since);
        for (full, topic) in &statistics.topics {
            let Some(name) = self.names.short(full) else { continue };
            for (number, partition) in &topic.partitions {
                // Minus one is librdkafka's «not known», also for partitions that others hold.
                if partition.consumer_lag_stored >= 0 {
                    #[expect(clippy::cast_precision_loss, reason = "a metric")]
                    lag_gauge(self.group, (name, *number)).set(partition.consumer_lag_stored as f64);
                }
            }
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(partitions) = rebalance else {
            return;
        };
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        for element in partitions.elements() {
            if let Some(name) = self.names.short(element.topic()) {
                revoked.push((name, element.partition()));
            }
        }
        drop(revoked);
        self.changed.notify_one();
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            // librdkafka keeps a pause over the loss of a partition.
            Rebalance::Assign(partitions) => {
                if let Err(error) = consumer.resume(partitions) {
                    tracing::warn!(group = self.group, error = &error as &dyn std::error::Error, "cannot resume");
                }
                tracing::info!(group = self.group, count = partitions.count(), "partitions assigned");
            }
            Rebalance::Revoke(partitions) => {
                tracing::info!(group = self.group, count = partitions.count(), "partitions revoked");
            }
            Rebalance::Error(error) => {
                tracing::warn!(group = self.group, error = error as &dyn std::error::Error, "rebalance failed");
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            // The records come again.
            Err(error) => {
                tracing::warn!(group = self.group, error = &error as &dyn std::error::Error, "positions not kept");
            }
        }
    }
}

pub(super) fn lag_gauge(group: &'static str, (topic, partition): Key) -> metrics::Gauge {
    metrics::gauge!("godwit_events_lag", "group" => group, "topic" => topic, "partition" => partition.to_string())
}
