/// The cause of an [`Error`], of whichever adapter.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the stream did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream does not answer, or not in time. Asking again later is right.
    #[error("the event stream is not reachable")]
    Unavailable(#[source] Source),
    /// The queue of records on their way out stayed full for the whole time limit. Asking again later is right.
    #[error("the queue of the event stream stayed full")]
    Overloaded,
    /// The stream will never take this, however often it is asked.
    #[error("the event stream refuses the request")]
    Refused(#[source] Source),
    /// A record is larger than [`crate::RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes is over the limit of {} bytes", crate::RECORD_BYTES_MAX)]
    RecordTooLarge {
        /// Its size: key, payload and headers.
        bytes: usize,
    },
    /// The adapter is not configured so that it can work.
    #[error("the event stream is wrongly configured")]
    Configuration(#[source] Source),
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Overloaded)
    }

    pub(crate) fn unavailable(source: impl Into<Source>) -> Self {
        Self::Unavailable(source.into())
    }
}
