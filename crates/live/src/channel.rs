use std::fmt;
use std::str::FromStr;

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

/// The text names no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a channel name")]
pub struct InvalidChannel;

impl FromStr for Channel {
    type Err = InvalidChannel;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.split_once(':') {
            Some(("chat", id)) => id.parse().map(Self::Chat).map_err(|_| InvalidChannel),
            Some(("user", id)) => id.parse().map(Self::User).map_err(|_| InvalidChannel),
            None if name == "sessions" => Ok(Self::Sessions),
            _ => Err(InvalidChannel),
        }
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn a_channel_survives_its_name() {
        let chat = Channel::Chat(ChatId::generate(&SystemClock, &SystemEntropy));
        let user = Channel::User(UserId::generate(&SystemClock, &SystemEntropy));
        for channel in [chat, user, Channel::Sessions] {
            assert_eq!(channel.to_string().parse(), Ok(channel));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "chat", "chat:", "chat:1", "users", "sessions:", "room:00000000-0000-7000-8000-000000000000"] {
            assert_eq!(name.parse::<Channel>(), Err(InvalidChannel), "{name}");
        }
    }
}
