use time::OffsetDateTime;

/// Whether a person is reachable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Live cannot be asked.
    Unknown,
    /// Some node that holds its lease has a connection of theirs.
    Online,
    /// None has.
    Offline {
        /// When one last had, if that is known.
        last_seen_at: Option<OffsetDateTime>,
    },
}
