use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::ChatId;

/// The place of an update in its chat's log: 1, 2, 3 … Zero stands before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// Before the first update.
    pub const ZERO: Self = Self(0);

    /// The seq with this number, or `None` when it does not fit the database's signed 64 bits.
    pub const fn new(number: u64) -> Option<Self> {
        if number <= i64::MAX.cast_unsigned() { Some(Self(number)) } else { None }
    }

    /// From the database's signed form; negative numbers, which are never stored, become zero.
    pub const fn from_i64(number: i64) -> Self {
        if number < 0 { Self::ZERO } else { Self(number.cast_unsigned()) }
    }

    /// The database's signed form.
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The text is not a message id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a message id")]
pub struct InvalidMessageId;

/// A message's id is its address: the chat and the seq, so that a message is found by the primary key of its chat's
/// shard without a second index.
///
/// Its text form is opaque to clients: 32 characters of unpadded URL-safe base64 (RFC 4648, section 5) over the 16
/// bytes of the chat id and the 8 bytes of the seq, both big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The chat that holds the message.
    pub chat_id: ChatId,
    /// The update that created it.
    pub seq: Seq,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        let (chat, seq) = bytes.split_at_mut(16);
        chat.copy_from_slice(self.chat_id.as_bytes());
        seq.copy_from_slice(&self.seq.get().to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 24];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| InvalidMessageId)?;
        if length != bytes.len() {
            return Err(InvalidMessageId);
        }
        let (chat, seq) = bytes.split_at(16);
        let chat = Uuid::from_slice(chat).map_err(|_| InvalidMessageId)?;
        let seq = u64::from_be_bytes(seq.try_into().map_err(|_| InvalidMessageId)?);
        let seq = Seq::new(seq).filter(|seq| *seq > Seq::ZERO).ok_or(InvalidMessageId)?;
        Ok(Self { chat_id: ChatId::from_uuid(chat), seq })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_id_survives_its_text_form(chat: u128, seq in 1..=i64::MAX.cast_unsigned()) {
            let id = MessageId { chat_id: ChatId::from_uuid(Uuid::from_u128(chat)), seq: Seq::new(seq).unwrap() };
            let text = id.to_string();
            prop_assert_eq!(text.len(), 32);
            prop_assert_eq!(text.parse(), Ok(id));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,40}") {
            if let Ok(id) = text.parse::<MessageId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
