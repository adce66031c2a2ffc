use godwit_kernel::{CallId, ChatId, Seq};
use serde::Serialize;

use super::Notification;

/// The most messages that one letter names as deleted; those before are left to the app's own sync.
pub const DELETED_SEQS_MAX: usize = 100;

/// Something that a device is told.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Letter {
    /// A message, to be shown.
    MessageCreated(Notification),
    /// A chat was read elsewhere: what is shown of it up to there goes.
    ChatRead(ChatRead),
    /// Messages are deleted: what is shown of them goes.
    MessagesDeleted(MessagesDeleted),
    /// A call rings.
    CallRinging(CallRinging),
    /// A call does not ring any more.
    CallOver(CallOver),
}

/// A chat was read elsewhere.
#[derive(Clone, Debug, Serialize)]
pub struct ChatRead {
    /// The chat.
    pub chat_id: ChatId,
    /// Up to where; a text, as 64-bit numbers are in ProtoJSON.
    pub read_seq: String,
}

impl ChatRead {
    /// Of a chat, up to a message.
    pub fn new(chat_id: ChatId, read_seq: Seq) -> Self {
        Self { chat_id, read_seq: read_seq.to_string() }
    }
}

/// Messages are deleted for everyone.
#[derive(Clone, Debug, Serialize)]
pub struct MessagesDeleted {
    /// Their chat.
    pub chat_id: ChatId,
    /// Which; the newest [`DELETED_SEQS_MAX`].
    pub seqs: Vec<String>,
}

/// A call rings.
#[derive(Clone, Debug, Serialize)]
pub struct CallRinging {
    /// For `POST /calls/{call_id}/accept` and `/decline`.
    pub call_id: CallId,
    /// Who calls; empty when the person shows no senders.
    pub caller_id: String,
    /// Their name; empty when it is unknown, and when the person shows no senders.
    pub caller_name: String,
    /// `voice` or `video`.
    pub media: &'static str,
    /// RFC 3339: the app asks no longer for an answer after it.
    pub rings_until: String,
}

/// A call does not ring any more.
#[derive(Clone, Debug, Serialize)]
pub struct CallOver {
    /// Which.
    pub call_id: CallId,
    /// `accepted` on another device, `declined`, `cancelled`, `missed` or `ended`.
    pub state: &'static str,
}

impl Letter {
    /// Its JSON: what browsers are given.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and lists of them: nothing of it can fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether the device must be woken for it at once.
    pub const fn is_urgent(&self) -> bool {
        match self {
            Self::MessageCreated(notification) => !notification.is_silent,
            Self::CallRinging(_) | Self::CallOver(_) => true,
            Self::ChatRead(_) | Self::MessagesDeleted(_) => false,
        }
    }
}
