use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::ChatId;
use uuid::Uuid;

/// The form of the bytes below; a cursor of another form is not taken.
const FORM: u8 = 1;

/// Where the next page of a user's chats begins. The text form is opaque to clients, who may forge one: it decides
/// only where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// The last chat of the page before.
    pub before: ChatId,
}

/// The text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct InvalidCursor;

impl ListCursor {
    /// Reads the text form.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(text: &str) -> Result<Self, InvalidCursor> {
        // 17 bytes are 23 characters; nothing longer is decoded.
        if text.len() != 23 {
            return Err(InvalidCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        match bytes.split_first() {
            Some((&FORM, id)) => {
                let id = Uuid::from_slice(id).map_err(|_| InvalidCursor)?;
                Ok(Self { before: ChatId::from_uuid(id) })
            }
            _ => Err(InvalidCursor),
        }
    }

    /// The text form.
    pub fn encode(&self) -> String {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(self.before.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_survives_its_text_form(id: u128) {
            let cursor = ListCursor { before: ChatId::from_uuid(Uuid::from_u128(id)) };
            prop_assert_eq!(ListCursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in "[A-Za-z0-9_-]{0,30}") {
            if let Ok(cursor) = ListCursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }
}
