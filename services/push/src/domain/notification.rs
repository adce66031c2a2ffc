use godwit_kernel::{MessageId, UserId};
use serde::Serialize;
use time::OffsetDateTime;

/// How much of a message's text a notification shows, in characters, the ellipsis included.
const PREVIEW_CHARS: usize = 160;
/// How much of the sender's name it shows: names are at most 64 characters.
const NAME_CHARS: usize = 64;

/// A message that was created.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its address.
    pub id: MessageId,
    /// Who wrote it.
    pub sender_id: UserId,
    /// When.
    pub sent_at: OffsetDateTime,
}

/// What a message says at the moment it is told.
#[derive(Clone)]
pub struct Content {
    /// Its address.
    pub id: MessageId,
    /// Who wrote it.
    pub sender_id: UserId,
    /// What they wrote.
    pub text: String,
}

/// What a device is told of a message, as the JSON that its service worker reads.
#[derive(Serialize)]
pub struct Notification {
    kind: &'static str,
    chat_id: String,
    message_id: String,
    /// A text, as 64-bit numbers are in ProtoJSON.
    seq: String,
    sender_id: String,
    sender_name: String,
    text: String,
}

impl Notification {
    /// The notification of a message; an unknown sender has an empty name.
    pub fn of(message: &Content, sender_name: &str) -> Self {
        Self {
            kind: "message_created",
            chat_id: message.id.chat_id.to_string(),
            message_id: message.id.to_string(),
            seq: message.id.seq.to_string(),
            sender_id: message.sender_id.to_string(),
            sender_name: shortened(sender_name, NAME_CHARS),
            text: shortened(&message.text, PREVIEW_CHARS),
        }
    }

    /// Its JSON.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings only: nothing of it can fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn shortened(text: &str, chars: usize) -> String {
    if text.chars().nth(chars).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{ChatId, Seq, SystemClock, SystemEntropy};

    use super::*;

    /// What the web-push crate encrypts at most.
    const PAYLOAD_BYTES_MAX: usize = 3_052;

    #[test]
    fn long_texts_are_shortened_between_characters() {
        assert_eq!(shortened(&"é".repeat(160), 160).chars().count(), 160);
        let short = shortened(&"é".repeat(161), 160);
        assert_eq!((short.chars().count(), short.ends_with("é…")), (160, true));
    }

    #[test]
    fn the_longest_notification_fits_into_a_push() {
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
        let message = Content {
            id: MessageId { chat_id, seq: Seq::from_i64(i64::MAX) },
            sender_id: UserId::generate(&SystemClock, &SystemEntropy),
            // JSON writes control characters with six bytes.
            text: "\u{1}".repeat(4_096),
        };
        let json = Notification::of(&message, &"\u{1}".repeat(1_000)).to_json();
        assert!(json.len() <= PAYLOAD_BYTES_MAX && json.len() > 1_000, "{} bytes", json.len());
    }
}
