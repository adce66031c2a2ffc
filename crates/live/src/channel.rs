use std::fmt;

use godwit_kernel::{ChatId, UserId};

/// A routing channel. Payloads are encoded `godwit.events.v1.LivePayload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Updates of one chat: `chat:{id}`.
    Chat(ChatId),
    /// What concerns one user, on all their devices: `user:{id}`.
    User(UserId),
    /// Sessions that were revoked; every gateway listens: `sessions`.
    Sessions,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(id) => write!(f, "chat:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Sessions => f.write_str("sessions"),
        }
    }
}
