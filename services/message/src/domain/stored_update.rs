use bytes::Bytes;
use godwit_kernel::{ChatId, Seq};

/// An update as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUpdate {
    /// The chat.
    pub chat_id: ChatId,
    /// Its place in the chat's log.
    pub seq: Seq,
    /// An encoded `godwit.v1.Update`.
    pub payload: Bytes,
}
