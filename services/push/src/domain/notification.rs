use godwit_kernel::{MessageId, UserId};
use serde::Serialize;
use time::OffsetDateTime;

use super::{ChatFacts, Preview};

/// How much of a message's text a notification shows, in characters, the ellipsis included.
const PREVIEW_CHARS: usize = 160;
/// How much of the sender's name it shows: names are at most 64 characters.
const NAME_CHARS: usize = 64;
/// How much of a chat's title it shows: titles are at most 128 characters.
const TITLE_CHARS: usize = 128;

/// A message that was created.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its address.
    pub id: MessageId,
    /// Who wrote it.
    pub sender_id: UserId,
    /// When.
    pub sent_at: OffsetDateTime,
    /// Whom it mentions.
    pub mentioned: Vec<UserId>,
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
    /// How many files came with it.
    pub attachment_count: u32,
    /// When it was sent.
    pub sent_at: OffsetDateTime,
    /// It makes no sound.
    pub is_silent: bool,
}

/// What the person can do without opening the app. The app names its buttons; the ids are these, and what it sends with
/// them is in the notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `POST /chats/{chat_id}/messages`, with `message_id` as `reply_to_message_id`.
    Reply,
    /// `POST /messages/{message_id}/read`.
    MarkRead,
}

/// What a device is told of a message. Clients read it as JSON, in browsers and in data messages as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Notification {
    /// The message's chat.
    pub chat_id: String,
    /// The message.
    pub message_id: String,
    /// A text, as 64-bit numbers are in ProtoJSON.
    pub seq: String,
    /// Empty when the person shows no senders.
    pub sender_id: String,
    /// Empty when the person shows no senders, and for who is unknown.
    pub sender_name: String,
    /// Empty in direct chats.
    pub chat_title: String,
    /// Empty when the person shows no texts.
    pub text: String,
    /// How many files came with it; 0 when the person shows no texts.
    pub attachment_count: u32,
    /// It makes no sound.
    pub is_silent: bool,
    /// It mentions the person.
    pub is_mention: bool,
    /// What can be done with it.
    pub actions: Vec<Action>,
}

impl Notification {
    /// The notification of a message as somebody wants to see it; an unknown sender has an empty name.
    pub fn of(message: &Content, sender_name: &str, chat: &ChatFacts, preview: Preview) -> Self {
        let (shows_sender, shows_text) = match preview {
            Preview::Full => (true, true),
            Preview::Sender => (true, false),
            Preview::Hidden => (false, false),
        };
        let sender_part = |text: String| if shows_sender { text } else { String::new() };
        Self {
            chat_id: message.id.chat_id.to_string(),
            message_id: message.id.to_string(),
            seq: message.id.seq.to_string(),
            sender_id: sender_part(message.sender_id.to_string()),
            sender_name: sender_part(shortened(sender_name, NAME_CHARS)),
            chat_title: sender_part(shortened(&chat.title, TITLE_CHARS)),
            text: if shows_text { shortened(&message.text, PREVIEW_CHARS) } else { String::new() },
            attachment_count: if shows_text { message.attachment_count } else { 0 },
            is_silent: message.is_silent,
            is_mention: false,
            actions: if chat.is_answered { vec![Action::Reply, Action::MarkRead] } else { vec![Action::MarkRead] },
        }
    }
}

/// Control characters become spaces: they show nothing, and JSON needs six bytes for each.
fn shortened(text: &str, chars: usize) -> String {
    let shown = text.chars().map(|char| if char.is_control() && char != '\n' { ' ' } else { char });
    if text.chars().nth(chars).is_none() {
        return shown.collect();
    }
    let mut short: String = shown.take(chars - 1).collect();
    short.push('…');
    short
}

/// The notification that needs most bytes.
#[cfg(test)]
pub fn longest_notification() -> Notification {
    use godwit_kernel::{ChatId, Seq, SystemClock, SystemEntropy};

    let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
    let message = Content {
        id: MessageId { chat_id, seq: Seq::from_i64(i64::MAX) },
        sender_id: UserId::generate(&SystemClock, &SystemEntropy),
        text: "🦢".repeat(4_096),
        attachment_count: u32::MAX,
        sent_at: OffsetDateTime::UNIX_EPOCH,
        is_silent: false,
    };
    let chat = ChatFacts { is_answered: true, title: "🦢".repeat(1_000), is_history_visible: true };
    Notification::of(&message, &"🦢".repeat(1_000), &chat, Preview::Full)
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{ChatId, Seq, SystemClock, SystemEntropy};
    use time::macros::datetime;

    use super::*;
    use crate::domain::Letter;

    /// What the web-push crate encrypts at most; Google takes more.
    const PAYLOAD_BYTES_MAX: usize = 3_052;

    fn message(text: &str) -> Content {
        Content {
            id: MessageId { chat_id: ChatId::generate(&SystemClock, &SystemEntropy), seq: Seq::from_i64(7) },
            sender_id: UserId::generate(&SystemClock, &SystemEntropy),
            text: text.to_owned(),
            attachment_count: 0,
            sent_at: datetime!(2026-06-01 12:00 UTC),
            is_silent: false,
        }
    }

    #[test]
    fn long_texts_are_shortened_between_characters() {
        assert_eq!(shortened(&"é".repeat(160), 160).chars().count(), 160);
        let short = shortened(&"é".repeat(161), 160);
        assert_eq!((short.chars().count(), short.ends_with("é…")), (160, true));
    }

    #[test]
    fn control_characters_do_not_make_a_notification_too_long() {
        assert_eq!(shortened("a\u{1}b\r\nc", 160), "a b \nc");
        let text = "\u{1}".repeat(4_096);
        let chat = ChatFacts { is_answered: true, title: text.clone(), is_history_visible: true };
        let letter = Letter::MessageCreated(Notification::of(&message(&text), &text, &chat, Preview::Full));
        assert!(letter.to_json().len() < 1_000);
    }

    #[test]
    fn the_longest_notification_fits_into_a_push() {
        let json = Letter::MessageCreated(longest_notification()).to_json();
        assert!(json.len() <= PAYLOAD_BYTES_MAX && json.len() > 1_000, "{} bytes", json.len());
    }

    #[test]
    fn what_is_not_to_be_shown_is_nowhere_in_it() {
        let chat = ChatFacts { is_answered: true, title: "the title".to_owned(), is_history_visible: true };
        let message = message("the text");
        for (preview, shown) in [(Preview::Full, 3), (Preview::Sender, 2), (Preview::Hidden, 0)] {
            let notification = Notification::of(&message, "the name", &chat, preview);
            let json = serde_json::to_string(&notification).unwrap();
            let words = ["the text", "the title", "the name"];
            assert_eq!(words.iter().filter(|word| json.contains(**word)).count(), shown, "{json}");
            assert_eq!(json.contains(&message.sender_id.to_string()), preview != Preview::Hidden, "{json}");
        }
    }
}
