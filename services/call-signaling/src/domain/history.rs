use godwit_kernel::{CallId, UserId};

use super::{Media, State};

/// From whose side a call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The person called.
    Made,
    /// The person was called.
    Received,
}

/// Which calls of a person are asked for.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// Only with this person.
    pub peer_id: Option<UserId>,
    /// Only from this side.
    pub direction: Option<Direction>,
    /// Only of this kind.
    pub media: Option<Media>,
    /// Only those that the person was rung by and did not answer.
    pub is_missed_only: bool,
    /// Only older ones than this.
    pub after: Option<CallId>,
    /// The most that are wanted.
    pub limit: i64,
}

impl State {
    /// How a call ended that its callee missed: nobody answered, the caller gave up, or the callee spoke to somebody else.
    pub const MISSED_BY_CALLEE: [Self; 3] = [Self::Cancelled, Self::Missed, Self::Busy];
}
