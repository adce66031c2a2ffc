use std::fmt;
use std::str::FromStr;

use godwit_kernel::MessageId;
use time::{Duration, OffsetDateTime};

/// The place of a message among all: by when it was sent, then by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In whole microseconds as the database keeps it.
    pub sent_at: OffsetDateTime,
    /// To tell messages of the same instant apart.
    pub message_id: MessageId,
}

impl Place {
    /// In the order in which the database compares.
    pub fn key(&self) -> (OffsetDateTime, [u8; 16], i64) {
        (self.sent_at, *self.message_id.chat_id.as_bytes(), self.message_id.seq.as_i64())
    }
}

/// Where a page of hits ended. Its text form is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Newest first: the next page begins with what is older than this.
    Newest(Place),
    /// By relevance: so many hits were shown of the window that begins at this place.
    Ranked {
        /// Of the newest in the window.
        from: Place,
        /// Were shown.
        shown: u32,
    },
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Newest(place) | Self::Ranked { from: place, .. }) = self;
        write!(f, "{}.{}", place.sent_at.unix_timestamp_nanos() / 1_000, place.message_id)?;
        if let Self::Ranked { shown, .. } = self {
            write!(f, ".{shown}")?;
        }
        Ok(())
    }
}

/// The text is no cursor of this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this search")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '.');
        let (Some(micros), Some(message_id)) = (parts.next(), parts.next()) else { return Err(InvalidCursor) };
        let micros: i64 = micros.parse().map_err(|_| InvalidCursor)?;
        let sent_at = OffsetDateTime::UNIX_EPOCH.checked_add(Duration::microseconds(micros)).ok_or(InvalidCursor)?;
        let place = Place { sent_at, message_id: message_id.parse().map_err(|_| InvalidCursor)? };
        match parts.next() {
            None => Ok(Self::Newest(place)),
            Some(shown) => Ok(Self::Ranked { from: place, shown: shown.parse().map_err(|_| InvalidCursor)? }),
        }
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
        let from = Place { sent_at: datetime!(2026-06-01 12:00:00.123456 UTC), message_id };
        for cursor in [Cursor::Newest(from), Cursor::Ranked { from, shown: 20 }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn garbage_is_no_cursor() {
        for text in ["", ".", "1", "x.y", "9223372036854775807.AAAA", "1.AAAA"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
