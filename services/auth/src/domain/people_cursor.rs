use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::UserId;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A list of people, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeopleList {
    /// The caller's friends.
    Friends,
    /// Requests to the caller.
    IncomingRequests,
    /// Requests of the caller.
    OutgoingRequests,
    /// Requests to the caller and of the caller.
    Requests,
    /// Whom the caller blocks.
    Blocked,
}

impl PeopleList {
    /// The first byte of its cursors: a cursor of one list is none of another.
    const fn form(self) -> u8 {
        match self {
            Self::Friends => 1,
            Self::IncomingRequests => 2,
            Self::OutgoingRequests => 3,
            Self::Requests => 4,
            Self::Blocked => 5,
        }
    }
}

/// Where the next page of a list of people begins. The text form is opaque to clients, who may forge one: it decides
/// only where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeopleCursor {
    /// The list it is of.
    pub list: PeopleList,
    /// Of the last entry of the page before.
    pub at: OffsetDateTime,
    /// The person of that entry.
    pub user_id: UserId,
}

/// The text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct InvalidPeopleCursor;

/// The form, the microseconds since 1970 and the id.
const BYTES: usize = 1 + 8 + 16;
const TEXT_BYTES: usize = (BYTES * 4).div_ceil(3);

impl PeopleCursor {
    /// Reads the text form of a cursor of `list`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(list: PeopleList, text: &str) -> Result<Self, InvalidPeopleCursor> {
        if text.len() != TEXT_BYTES {
            return Err(InvalidPeopleCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidPeopleCursor)?;
        let (form, rest) = bytes.split_first().ok_or(InvalidPeopleCursor)?;
        let (at, id) = rest.split_first_chunk::<8>().ok_or(InvalidPeopleCursor)?;
        if *form != list.form() {
            return Err(InvalidPeopleCursor);
        }
        let since_1970 = Duration::microseconds(i64::from_be_bytes(*at));
        // The database takes no instant of every year that the type has, and nothing here happened before 1970.
        if since_1970.is_negative() {
            return Err(InvalidPeopleCursor);
        }
        let at = OffsetDateTime::UNIX_EPOCH.checked_add(since_1970).ok_or(InvalidPeopleCursor)?;
        let user_id = UserId::from_uuid(Uuid::from_slice(id).map_err(|_| InvalidPeopleCursor)?);
        Ok(Self { list, at, user_id })
    }

    /// The text form.
    pub fn encode(&self) -> String {
        let micros = (self.at - OffsetDateTime::UNIX_EPOCH).whole_microseconds();
        // Every instant that the database holds fits.
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        let mut bytes = vec![self.list.form()];
        bytes.extend_from_slice(&micros.to_be_bytes());
        bytes.extend_from_slice(self.user_id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LISTS: [PeopleList; 5] = [
        PeopleList::Friends,
        PeopleList::IncomingRequests,
        PeopleList::OutgoingRequests,
        PeopleList::Requests,
        PeopleList::Blocked,
    ];

    proptest! {
        #[test]
        fn a_cursor_survives_its_text_form_and_is_of_one_list(micros in 0..4_102_444_800_000_000_i64, id: u128) {
            let at = OffsetDateTime::UNIX_EPOCH + Duration::microseconds(micros);
            for list in LISTS {
                let cursor = PeopleCursor { list, at, user_id: UserId::from_uuid(Uuid::from_u128(id)) };
                for other in LISTS {
                    let expected = if other == list { Ok(cursor) } else { Err(InvalidPeopleCursor) };
                    prop_assert_eq!(PeopleCursor::decode(other, &cursor.encode()), expected);
                }
            }
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in "[A-Za-z0-9_-]{30,38}") {
            if let Ok(cursor) = PeopleCursor::decode(PeopleList::Friends, &text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }
}
