use std::fmt;
use std::str::FromStr;

use godwit_kernel::MessageId;
use time::{Duration, OffsetDateTime};

use super::IndexedMessage;

/// Where a page of hits ended: the next begins with what is older. Its text form is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the last hit was sent, in whole microseconds as the database keeps it.
    pub sent_at: OffsetDateTime,
    /// The last hit, to tell hits of the same instant apart.
    pub message_id: MessageId,
}

impl From<&IndexedMessage> for Cursor {
    fn from(message: &IndexedMessage) -> Self {
        let message_id = MessageId { chat_id: message.chat_id, seq: message.seq };
        Self { sent_at: message.sent_at, message_id }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sent_at.unix_timestamp_nanos() / 1_000, self.message_id)
    }
}

/// The text is no cursor of this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this search")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (micros, message_id) = text.split_once('.').ok_or(InvalidCursor)?;
        let micros: i64 = micros.parse().map_err(|_| InvalidCursor)?;
        let sent_at = OffsetDateTime::UNIX_EPOCH.checked_add(Duration::microseconds(micros)).ok_or(InvalidCursor)?;
        Ok(Self { sent_at, message_id: message_id.parse().map_err(|_| InvalidCursor)? })
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{ChatId, Seq};
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_cursor_survives_its_text_form() {
        let message_id = MessageId { chat_id: ChatId::from_uuid(Uuid::from_u128(7)), seq: Seq::new(9).unwrap() };
        let cursor = Cursor { sent_at: datetime!(2026-06-01 12:00:00.123456 UTC), message_id };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn garbage_is_no_cursor() {
        for text in ["", ".", "1", "x.y", "9223372036854775807.AAAA", "1.AAAA"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
