use bytes::Bytes;
use godwit_kernel::{ChatId, EventId};

use super::MembershipVersion;

/// An update that was committed with a change and is not yet in the chat's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpdate {
    /// The same event is appended once.
    pub event_id: EventId,
    /// The chat.
    pub chat_id: ChatId,
    /// An encoded `godwit.v1.Update` without seq and epoch.
    pub payload: Bytes,
    /// The version of the member list after the change.
    pub membership_version: MembershipVersion,
}
