use godwit_kernel::{ChatId, Seq};
use time::OffsetDateTime;

use super::{Epoch, MembershipVersion};

/// Where a chat's update log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chat.
    pub chat_id: ChatId,
    /// The newest update; [`Seq::ZERO`] in a log that has none.
    pub last_seq: Seq,
    /// The log's name.
    pub epoch: Epoch,
    /// The version of the chat's member list.
    pub membership_version: MembershipVersion,
    /// When the newest update occurred.
    pub changed_at: OffsetDateTime,
    /// When the newest message was sent, or the log began; `None` in a log that has no update.
    pub active_at: Option<OffsetDateTime>,
    /// Some members may not see what is before it.
    pub hidden_until_seq: Seq,
}
