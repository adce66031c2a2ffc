use bytes::Bytes;
use godwit_kernel::{ChatId, EventId};

use super::MembershipVersion;

/// An update that is committed here and not yet appended to its chat's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpdate {
    /// The log appends it once by this.
    pub event_id: EventId,
    /// Whose log.
    pub chat_id: ChatId,
    /// An encoded `godwit.v1.Update` without seq and epoch.
    pub payload: Bytes,
    /// The version of the member list after it.
    pub membership_version: MembershipVersion,
}
