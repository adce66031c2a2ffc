use time::OffsetDateTime;

/// What a process has the index built for. Of two processes that ask for different builds at once, as while a setting
/// is changed from replica to replica, the one that started later is right; the other leaves its build alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildOrder {
    /// The format of the index and what the operator asked for; another one than before is another build.
    pub label: String,
    /// When the process started.
    pub ordered_at: OffsetDateTime,
}
