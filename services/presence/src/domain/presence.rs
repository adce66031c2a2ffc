use time::OffsetDateTime;

/// What somebody does with a connection. A person is what the best of their connections is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activity {
    /// It is in the background.
    Away,
    /// They are in front of it.
    Active,
}

/// Whether a person is reachable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Live cannot be asked, or whoever asks may not know.
    Unknown,
    /// Somebody is in front of a connection of theirs, at a node that holds its lease.
    Online,
    /// There are connections, all in the background.
    Away,
    /// There is none.
    Offline {
        /// When there last was one, if that is known.
        last_seen_at: Option<OffsetDateTime>,
    },
}

impl Presence {
    /// What a person with a connection like this is.
    pub const fn connected(activity: Activity) -> Self {
        match activity {
            Activity::Active => Self::Online,
            Activity::Away => Self::Away,
        }
    }

    /// The best of the connections; `None` when there is none, or it is not known.
    pub const fn activity(self) -> Option<Activity> {
        match self {
            Self::Online => Some(Activity::Active),
            Self::Away => Some(Activity::Away),
            Self::Unknown | Self::Offline { .. } => None,
        }
    }
}

/// A presence, and when it was read. Of two, the later holds: it was read after all that the earlier one could know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How the person was.
    pub presence: Presence,
    /// When.
    pub as_of: OffsetDateTime,
}
