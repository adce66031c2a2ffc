use bytes::Bytes;
use time::OffsetDateTime;

use crate::topics::Topic;

/// Small text pairs beside a payload: the W3C trace context, and what a dead letter came from.
pub type Headers = Vec<(String, String)>;

/// A record to publish.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// Where to.
    pub topic: &'static Topic,
    /// Decides the partition: records of one key keep their order.
    pub key: Bytes,
    /// An encoded protobuf message; see `docs/events.md` for which.
    pub payload: Bytes,
    /// Filled from the current span by [`NewRecord::new`].
    pub headers: Headers,
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Record {
    /// The topic's name, without the deployment's prefix.
    pub topic: &'static str,
    /// Which part of the topic.
    pub partition: i32,
    /// The place in the partition.
    pub offset: i64,
    /// The key it was published with.
    pub key: Bytes,
    /// The payload.
    pub payload: Bytes,
    /// The headers.
    pub headers: Headers,
    /// When the stream took it.
    pub published_at: OffsetDateTime,
}
