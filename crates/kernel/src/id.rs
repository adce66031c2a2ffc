use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Clock, Entropy};

/// The text is not a UUID in its hyphenated form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct InvalidId;

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new UUIDv7 (RFC 9562): sorts by the time it was made.
            pub fn generate(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
                Self(uuid_v7(clock.now(), entropy))
            }

            /// The id with this UUID, as a database gives it.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside, as a database takes it.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// The 16 bytes of the UUID, big-endian.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse(text).map(Self)
            }
        }
    )+};
}

typed_ids! {
    /// A person's account.
    UserId;
    /// A chat of any kind.
    ChatId;
    /// One installation of a client; made by the client.
    DeviceId;
    /// One login of one device.
    SessionId;
    /// A voice or video call.
    CallId;
    /// An uploaded object.
    MediaId;
    /// Something that happened; consumers are idempotent by it.
    EventId;
    /// One running gateway process.
    NodeId;
}

/// Only the hyphenated form: one id has one spelling.
fn parse(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

fn uuid_v7(now: OffsetDateTime, entropy: &dyn Entropy) -> Uuid {
    let millis = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &entropy.bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SystemClock, SystemEntropy};

    #[test]
    fn an_id_survives_its_text_form() {
        let id = ChatId::generate(&SystemClock, &SystemEntropy);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn a_generated_id_is_a_version_7_uuid() {
        assert_eq!(UserId::generate(&SystemClock, &SystemEntropy).as_uuid().get_version_num(), 7);
    }

    #[test]
    fn other_spellings_of_a_uuid_are_refused() {
        for text in ["", "1", "urn:uuid:00000000-0000-7000-8000-000000000000", "00000000000070008000000000000000"] {
            assert_eq!(text.parse::<UserId>(), Err(InvalidId), "{text}");
        }
    }
}
