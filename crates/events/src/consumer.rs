use async_trait::async_trait;

use crate::Record;
use crate::topics::Topic;

/// Who reads what.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    /// The group's name, such as `push.chat-updates`; its members share the partitions.
    pub name: &'static str,
    /// The topics read.
    pub topics: Vec<&'static Topic>,
    /// The most records of one batch.
    pub max_batch: usize,
}

/// What a consumer does with records. Must be idempotent: the same record may come again. The future is dropped when
/// the partition goes to another member: what it leaves half done must bear being done again.
#[async_trait]
pub trait BatchHandler: Send + Sync + 'static {
    /// Takes records of one topic, those of each partition in offset order; all or nothing.
    ///
    /// # Errors
    /// [`BatchError::Retry`] to get the same records again after a growing pause; [`BatchError::Poison`] to have one
    /// record put to the dead-letter topic and the others given again.
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError>;
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A part is down; the batch will do later.
    #[error("the batch cannot be taken now")]
    Retry(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The record at `index` can never be taken.
    #[error("record {index} of the batch can never be taken: {reason}")]
    Poison {
        /// Its place in the batch.
        index: usize,
        /// Why, for the dead-letter record's header.
        reason: String,
    },
}

impl BatchError {
    /// The batch will do later, because of `source`.
    pub fn retry(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Retry(source.into())
    }
}
