use godwit_kernel::{ChatId, Seq, UserId};

/// Somebody has come further in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadUpTo {
    /// Who.
    pub user_id: UserId,
    /// Where.
    pub chat_id: ChatId,
    /// Up to which message.
    pub seq: Seq,
}
