use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use time::OffsetDateTime;

use super::{ClientMessageId, MessageText};

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The chat that holds it.
    pub chat_id: ChatId,
    /// Its place in the chat's log.
    pub seq: Seq,
    /// Who sent it.
    pub sender_id: UserId,
    /// Chosen by the sender.
    pub client_message_id: ClientMessageId,
    /// What it says.
    pub text: MessageText,
    /// When it was appended, by the log's clock.
    pub sent_at: OffsetDateTime,
}

impl Message {
    /// Its address.
    pub const fn id(&self) -> MessageId {
        MessageId { chat_id: self.chat_id, seq: self.seq }
    }
}

/// Which part of a history, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Messages below a seq, newest first.
    Before(Seq),
    /// Messages above a seq, oldest first.
    After(Seq),
}
