use bytes::Bytes;
use godwit_kernel::{ChatId, EventId};

use super::MembershipVersion;

/// A change that is committed here and that its chat's log does not have yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpdate {
    /// The log appends an update once by this.
    pub event_id: EventId,
    /// Whose log.
    pub chat_id: ChatId,
    /// An encoded `godwit.v1.Update` without seq and epoch. `None` for a change that only its parties may know of, such as
    /// a block: then only the log's version is raised.
    pub payload: Option<Bytes>,
    /// The version of the member list after it.
    pub membership_version: MembershipVersion,
}
