use godwit_kernel::{ChatId, Seq, UserId};
use time::OffsetDateTime;

/// A message as the index holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedMessage {
    /// The chat.
    pub chat_id: ChatId,
    /// Its place in the chat's log.
    pub seq: Seq,
    /// Of the chat's log: the same address under another epoch is another message.
    pub epoch: String,
    /// Who wrote it.
    pub sender_id: UserId,
    /// The sender's own id of it.
    pub client_message_id: String,
    /// What it says.
    pub text: String,
    /// When it was committed.
    pub sent_at: OffsetDateTime,
}
