//! What becomes of a record that a consumer can never take.

use crate::{NewRecord, Record, topics};

/// The topic the record was read from.
pub const ORIGIN_TOPIC: &str = "origin-topic";
/// The partition it was read from.
pub const ORIGIN_PARTITION: &str = "origin-partition";
/// Its place in that partition.
pub const ORIGIN_OFFSET: &str = "origin-offset";
/// The consumer group that could not take it.
pub const CONSUMER_GROUP: &str = "consumer-group";
/// Why; at most 500 characters.
pub const REASON: &str = "reason";

const REASON_CHARS: usize = 500;

/// The dead letter of `record`: its key, payload and headers, and where it came from and why.
pub(crate) fn of(record: &Record, group: &str, reason: &str) -> NewRecord {
    let mut headers = record.headers.clone();
    let origin = [
        (ORIGIN_TOPIC, record.topic.to_owned()),
        (ORIGIN_PARTITION, record.partition.to_string()),
        (ORIGIN_OFFSET, record.offset.to_string()),
        (CONSUMER_GROUP, group.to_owned()),
        (REASON, reason.chars().take(REASON_CHARS).collect()),
    ];
    headers.extend(origin.map(|(name, value)| (name.to_owned(), value)));
    NewRecord { topic: &topics::DEAD_LETTERS, key: record.key.clone(), payload: record.payload.clone(), headers }
}
