use bytes::Bytes;
use godwit_kernel::{ChatId, EventId, UserId};

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
    /// Who subscribed with it; at most 200, and only without a payload.
    pub joined: Vec<UserId>,
    /// Who is no longer a subscriber with it; likewise.
    pub left: Vec<UserId>,
}
