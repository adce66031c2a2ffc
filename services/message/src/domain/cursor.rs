use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::{ChatId, Seq};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// The form of the bytes below; a cursor of another form is not taken.
const FORM: u8 = 1;
/// The bytes say each instant so much later: as of when everything would be visible to who knows nothing of what is open.
/// So releases that go back by these 30 s from what they read understand a cursor, and theirs are understood.
const SAID_LATER: Duration = Duration::seconds(30);
/// A client that was away longer loads its chats again.
pub const CURSOR_AGE_MAX: Duration = Duration::days(30);

/// How far one account has synced, over all its chats. The text form is opaque to clients, who may forge one: it
/// decides only where reading begins, never what may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountCursor {
    /// The name of all logs together; another one means that the database was restored.
    pub generation: Uuid,
    /// Everything that occurred up to this instant of the log's clock was given.
    pub given_until: OffsetDateTime,
    /// The round of pages that is under way.
    pub round: Option<Round>,
}

/// A round of pages over all chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// What occurred up to this instant was visible when it began, and is given once it is over.
    pub gives_until: OffsetDateTime,
    /// What comes next.
    pub position: Position,
}

/// A place in a round, which goes through the chats in id order and through each chat in seq order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The chats below it were given.
    pub chat_id: ChatId,
    /// Of this chat, the updates below it were given.
    pub next_seq: Seq,
}

/// The text is no account cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this service")]
pub struct InvalidCursor;

/// The cursor was given by this service, but cannot be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is too old or of another log")]
pub struct StaleCursor;

impl AccountCursor {
    /// A cursor after everything that occurred up to `given_until`.
    pub const fn finished(generation: Uuid, given_until: OffsetDateTime) -> Self {
        Self { generation, given_until, round: None }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(text: &str) -> Result<Self, InvalidCursor> {
        // The longest one has 76 characters; nothing longer is decoded.
        if text.len() > 100 {
            return Err(InvalidCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let mut fields = Fields(&bytes);
        if fields.take::<1>()? != [FORM] {
            return Err(InvalidCursor);
        }
        let generation = Uuid::from_bytes(fields.take()?);
        let given_until = fields.instant()?;
        let round = if fields.0.is_empty() { None } else { Some(fields.round()?) };
        if !fields.0.is_empty() {
            return Err(InvalidCursor);
        }
        Ok(Self { generation, given_until, round })
    }

    /// The text form.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(57);
        bytes.push(FORM);
        bytes.extend_from_slice(self.generation.as_bytes());
        bytes.extend_from_slice(&said(self.given_until));
        if let Some(Round { gives_until, position }) = self.round {
            bytes.extend_from_slice(&said(gives_until));
            bytes.extend_from_slice(position.chat_id.as_bytes());
            bytes.extend_from_slice(&position.next_seq.get().to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether it can be continued now, by the log's clock and name, given that no log has lost what is younger than
    /// `age_max`. One of the future cannot: the clock was set back, and what occurs now is dated before it.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self, generation: Uuid, now: OffsetDateTime, age_max: Duration) -> Result<(), StaleCursor> {
        let newest = self.round.map_or(self.given_until, |round| round.gives_until.max(self.given_until));
        if self.generation != generation || self.given_until < now - age_max || newest > now {
            return Err(StaleCursor);
        }
        Ok(())
    }
}

/// The bytes that say an instant.
fn said(instant: OffsetDateTime) -> [u8; 8] {
    micros(instant.saturating_add(SAID_LATER)).to_be_bytes()
}

/// Microseconds since 1970: what PostgreSQL keeps of an instant.
fn micros(instant: OffsetDateTime) -> i64 {
    i64::try_from(instant.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], InvalidCursor> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(InvalidCursor)?;
        self.0 = rest;
        Ok(*field)
    }

    fn instant(&mut self) -> Result<OffsetDateTime, InvalidCursor> {
        let micros = i64::from_be_bytes(self.take()?);
        let said = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).map_err(|_| InvalidCursor)?;
        said.checked_sub(SAID_LATER).ok_or(InvalidCursor)
    }

    fn round(&mut self) -> Result<Round, InvalidCursor> {
        let gives_until = self.instant()?;
        let chat_id = ChatId::from_uuid(Uuid::from_bytes(self.take()?));
        let next_seq = Seq::new(u64::from_be_bytes(self.take()?)).ok_or(InvalidCursor)?;
        Ok(Round { gives_until, position: Position { chat_id, next_seq } })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 12:00:00.123456 UTC);
    const GENERATION: Uuid = Uuid::from_u128(42);

    fn cursor(age: Duration) -> AccountCursor {
        AccountCursor::finished(GENERATION, NOW - age)
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text_form(age_us in 0..10_000_000_000_i64, chat: u128, seq in 0..=i64::MAX.cast_unsigned(), paging: bool) {
            let mut cursor = cursor(Duration::microseconds(age_us));
            if paging {
                let position = Position { chat_id: ChatId::from_uuid(Uuid::from_u128(chat)), next_seq: Seq::new(seq).unwrap() };
                cursor.round = Some(Round { gives_until: NOW - SAID_LATER, position });
            }
            prop_assert_eq!(AccountCursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in "[A-Za-z0-9_-]{0,120}") {
            if let Ok(cursor) = AccountCursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            if let Some(first) = bytes.first_mut() {
                *first = FORM;
            }
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            if let Ok(cursor) = AccountCursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
                cursor.check(GENERATION, NOW, CURSOR_AGE_MAX).ok();
            }
        }
    }

    #[test]
    fn a_cursor_is_continued_for_as_long_as_no_log_has_lost_what_is_younger() {
        assert_eq!(cursor(Duration::days(2)).check(GENERATION, NOW, Duration::days(2)), Ok(()));
        assert_eq!(cursor(Duration::days(3)).check(GENERATION, NOW, Duration::days(2)), Err(StaleCursor));
    }

    #[test]
    fn a_cursor_is_continued_for_30_days() {
        assert_eq!(cursor(Duration::days(30)).check(GENERATION, NOW, CURSOR_AGE_MAX), Ok(()));
        assert_eq!(
            cursor(Duration::days(30) + Duration::SECOND).check(GENERATION, NOW, CURSOR_AGE_MAX),
            Err(StaleCursor)
        );
    }

    #[test]
    fn a_cursor_of_another_log_or_of_the_future_is_not_continued() {
        assert_eq!(cursor(Duration::ZERO).check(Uuid::nil(), NOW, CURSOR_AGE_MAX), Err(StaleCursor));
        assert_eq!(cursor(Duration::ZERO).check(GENERATION, NOW, CURSOR_AGE_MAX), Ok(()));
        assert_eq!(cursor(-Duration::SECOND).check(GENERATION, NOW, CURSOR_AGE_MAX), Err(StaleCursor));
    }

    /// Its releases wrote when a round began, and went back by 30 s from that when they read it.
    #[test]
    fn a_cursor_that_says_when_its_round_began_gave_what_occurred_30_s_before() {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(GENERATION.as_bytes());
        bytes.extend_from_slice(&micros(NOW).to_be_bytes());
        let given = cursor(Duration::seconds(30));
        assert_eq!(AccountCursor::decode(&URL_SAFE_NO_PAD.encode(&bytes)), Ok(given));
        assert_eq!(given.encode(), URL_SAFE_NO_PAD.encode(&bytes));
    }
}
