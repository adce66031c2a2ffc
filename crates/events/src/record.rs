use bytes::Bytes;
use time::OffsetDateTime;

use crate::topics::Topic;
use crate::{Error, trace};

/// The largest record, key, payload and headers together: half of what Kafka takes by default, so that a dead letter
/// with its additional headers always fits.
pub const RECORD_BYTES_MAX: usize = 512 * 1024;

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

impl NewRecord {
    /// A record that carries the trace context of the current span.
    pub fn new(topic: &'static Topic, key: impl Into<Bytes>, payload: impl Into<Bytes>) -> Self {
        Self { topic, key: key.into(), payload: payload.into(), headers: trace::current() }
    }

    /// Refuses what no adapter takes.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = self.key.len() + self.payload.len() + headers;
        if bytes > RECORD_BYTES_MAX {
            return Err(Error::RecordTooLarge { bytes });
        }
        Ok(())
    }
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

impl Record {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.len() + self.payload.len() + headers
    }
}
