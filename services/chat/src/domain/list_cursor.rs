use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use uuid::Uuid;

/// The forms of the bytes below; a cursor of another form is not taken.
const IDS: u8 = 2;
const INSTANTS: u8 = 3;
/// A form, whole seconds, nanoseconds, and an id.
const LENGTH: usize = 1 + 8 + 4 + 16;

/// Where the next page of a list by id begins. The text form is opaque to clients, who may forge one: it decides only
/// where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdCursor {
    /// The last one of the page before.
    pub after: Uuid,
}

/// Where the next page of a list by instant begins, and by id where instants are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeCursor {
    /// Of the last one of the page before.
    pub at: OffsetDateTime,
    /// The last one of the page before.
    pub id: Uuid,
}

/// The text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct InvalidCursor;

impl IdCursor {
    /// Reads the text form; `None` when it is empty.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(text: &str) -> Result<Option<Self>, InvalidCursor> {
        let Some(bytes) = decode::<17>(text)? else { return Ok(None) };
        match bytes.split_first() {
            Some((&IDS, id)) => Ok(Some(Self { after: Uuid::from_slice(id).map_err(|_| InvalidCursor)? })),
            _ => Err(InvalidCursor),
        }
    }

    /// The text form.
    pub fn encode(&self) -> String {
        let mut bytes = vec![IDS];
        bytes.extend_from_slice(self.after.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl TimeCursor {
    /// Reads the text form; `None` when it is empty.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(text: &str) -> Result<Option<Self>, InvalidCursor> {
        let Some(bytes) = decode::<LENGTH>(text)? else { return Ok(None) };
        let (form, rest) = bytes.split_first().ok_or(InvalidCursor)?;
        let (secs, rest) = rest.split_first_chunk::<8>().ok_or(InvalidCursor)?;
        let (nanos, id) = rest.split_first_chunk::<4>().ok_or(InvalidCursor)?;
        if *form != INSTANTS {
            return Err(InvalidCursor);
        }
        let whole = OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(*secs)).map_err(|_| InvalidCursor)?;
        let at = whole.replace_nanosecond(u32::from_be_bytes(*nanos)).map_err(|_| InvalidCursor)?;
        Ok(Some(Self { at, id: Uuid::from_slice(id).map_err(|_| InvalidCursor)? }))
    }

    /// The text form.
    pub fn encode(&self) -> String {
        let mut bytes = vec![INSTANTS];
        bytes.extend_from_slice(&self.at.unix_timestamp().to_be_bytes());
        bytes.extend_from_slice(&self.at.nanosecond().to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn decode<const LENGTH: usize>(text: &str) -> Result<Option<[u8; LENGTH]>, InvalidCursor> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut bytes = [0; LENGTH];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(length) if length == LENGTH => Ok(Some(bytes)),
        _ => Err(InvalidCursor),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_survives_its_text_form(id: u128, nanos in 0..i128::from(u32::MAX) * 1_000_000_000) {
            let id = Uuid::from_u128(id);
            let cursor = IdCursor { after: id };
            prop_assert_eq!(IdCursor::decode(&cursor.encode()), Ok(Some(cursor)));
            let cursor = TimeCursor { at: OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap(), id };
            prop_assert_eq!(TimeCursor::decode(&cursor.encode()), Ok(Some(cursor)));
            prop_assert_eq!(IdCursor::decode(&cursor.encode()), Err(InvalidCursor));
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in "[A-Za-z0-9_-]{1,50}") {
            if let Ok(Some(cursor)) = IdCursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text.clone());
            }
            if let Ok(Some(cursor)) = TimeCursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }
}
