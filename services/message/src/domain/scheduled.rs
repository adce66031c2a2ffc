use std::fmt;
use std::str::FromStr;

use godwit_kernel::{ChatId, Clock, Entropy, EventId, InvalidId, MediaId, MessageId, UserId};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{ClientMessageId, Entity, MessageText, Violation};

/// Messages that one person may have scheduled in one chat.
pub const SCHEDULED_MAX: i64 = 100;
/// The shortest time ahead.
const AHEAD_MIN: Duration = Duration::seconds(1);
/// The longest time ahead.
const AHEAD_MAX: Duration = Duration::days(366);

/// Names a scheduled message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduledId(Uuid);

impl ScheduledId {
    /// A new UUIDv7.
    pub fn generate(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        Self(EventId::generate(clock, entropy).as_uuid())
    }

    /// The id with this UUID, as the database gives it.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID inside.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// What the message is called when it is sent: the same whoever sends it and however often, so it is sent once.
    pub fn client_message_id(self) -> ClientMessageId {
        ClientMessageId::from_store(format!("scheduled-{}", self.0))
    }
}

impl fmt::Display for ScheduledId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for ScheduledId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The hyphenated form alone, as all ids have it.
        text.parse::<EventId>().map(|id| Self(id.as_uuid()))
    }
}

/// What a scheduled message will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledContent {
    /// May be empty beside attachments.
    pub text: MessageText,
    /// By offset.
    pub entities: Vec<Entity>,
    /// At most 10.
    pub media_ids: Vec<MediaId>,
    /// A message of the same chat.
    pub reply_to: Option<MessageId>,
    /// Recipients are not alerted.
    pub is_silent: bool,
}

/// A message that will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// Its id.
    pub id: ScheduledId,
    /// Where to.
    pub chat_id: ChatId,
    /// Whose.
    pub sender_id: UserId,
    /// Chosen by the sender, so that a repeat is known.
    pub client_message_id: ClientMessageId,
    /// What it will say.
    pub content: ScheduledContent,
    /// When.
    pub send_at: OffsetDateTime,
    /// When it was scheduled.
    pub created_at: OffsetDateTime,
    /// Why it could not be sent; a reason of the REST errors.
    pub failure: Option<String>,
}

/// Whether an instant is one that a message may be scheduled for now.
///
/// # Errors
/// Which rule it breaks.
pub fn check_send_at(send_at: OffsetDateTime, now: OffsetDateTime) -> Result<(), Violation> {
    if send_at < now + AHEAD_MIN {
        return Err(Violation("must be at least 1 second ahead"));
    }
    if send_at > now + AHEAD_MAX {
        return Err(Violation("must be at most 366 days ahead"));
    }
    Ok(())
}

/// What became of a try to send a scheduled message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is committed.
    Sent,
    /// It was refused, and will be.
    Refused(&'static str),
    /// It is not committed, and may be after this time.
    Postponed(std::time::Duration),
    /// Whether it is committed is not known: the next try tells.
    Unknown,
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_name_of_what_is_sent_is_a_client_message_id() {
        let id = ScheduledId::generate(&SystemClock, &SystemEntropy);
        let name = id.client_message_id();
        assert_eq!(ClientMessageId::parse(name.as_str().to_owned()).unwrap(), name);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn it_is_scheduled_a_second_to_a_year_ahead() {
        let now = datetime!(2026-06-01 12:00 UTC);
        for ahead in [Duration::seconds(1), Duration::days(366)] {
            assert!(check_send_at(now + ahead, now).is_ok(), "{ahead}");
        }
        for ahead in [Duration::ZERO, Duration::milliseconds(999), Duration::seconds(-1), Duration::days(367)] {
            assert!(check_send_at(now + ahead, now).is_err(), "{ahead}");
        }
    }
}
