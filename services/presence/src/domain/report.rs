use std::collections::HashMap;

use godwit_kernel::{DeviceId, NodeId, UserId, limits};

/// The most users of each list of a report.
pub const REPORT_USERS_MAX: usize = limits::INTERNAL_PAGE_MAX as usize;

/// The most devices of one user in a report.
pub const REPORT_DEVICES_MAX: usize = 100;

/// What a node tells.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who reports.
    pub node_id: NodeId,
    /// Who has connections at the node now, one of them in the foreground.
    pub joined: Vec<UserId>,
    /// Who has connections there, all in the background. Who is in both of these lists has joined.
    pub away: Vec<UserId>,
    /// Who has none any more. Who is in another list, too, has come back.
    pub left: Vec<UserId>,
    /// With which devices those who have joined are in front of a connection.
    pub foreground: HashMap<UserId, Vec<DeviceId>>,
    /// Whether the node goes on.
    pub intent: Intent,
}

/// Whether a node goes on after a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It reports again.
    Stay,
    /// It goes away, and its users leave with it.
    Leave,
}
