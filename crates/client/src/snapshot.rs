use std::collections::BTreeMap;

use crate::log::Position;
use crate::pending::PendingSend;

/// Where a client stands: what it has seen and what it still has to send. Kept over a restart, nothing is seen twice
/// and nothing that was queued is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Snapshot {
    /// The account cursor of `POST /sync`; empty before the first.
    pub cursor: String,
    /// How far the application has come in each chat, by chat id.
    pub chats: BTreeMap<String, Position>,
    /// What the server has not acknowledged, in order.
    pub pending: Vec<PendingSend>,
}
