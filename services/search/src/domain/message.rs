use godwit_kernel::{ChatId, Seq};
use time::OffsetDateTime;

use super::term::Term;

/// A message as the index holds it: where it is and by what it is found, and nothing of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedMessage {
    /// The chat.
    pub chat_id: ChatId,
    /// Its place in the chat's log.
    pub seq: Seq,
    /// Of the chat's log: the same address under another epoch is another message.
    pub epoch: String,
    /// When it was committed.
    pub sent_at: OffsetDateTime,
    /// Each once.
    pub terms: Vec<Term>,
}
