type Source = Box<dyn std::error::Error + Send + Sync>;

/// What the live store answered instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configured address is not one.
    #[error("the address of the live store cannot be used")]
    Address(#[source] Source),
    /// The store did not answer in time, or not sensibly.
    #[error("the live store does not answer")]
    Unavailable(#[source] Source),
    /// The store did not answer before and is being tried in the background: nothing was sent and no time lost.
    #[error("the live store is known to be down")]
    KnownDown,
    /// No room is left until keys end.
    #[error("the live store is full")]
    Full,
    /// The key holds another kind of value.
    #[error("the key holds another kind of value")]
    WrongKind,
}

impl Error {
    pub(crate) fn unavailable(source: impl Into<Source>) -> Self {
        Self::Unavailable(source.into())
    }

    /// Whether the same call may succeed later without any change.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::KnownDown | Self::Full)
    }
}
