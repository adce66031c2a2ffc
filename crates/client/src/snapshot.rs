use std::collections::{BTreeMap, BTreeSet};

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
    /// Chats of which the application was told that the user came or left, and not yet what is there.
    #[serde(default)]
    pub to_load: BTreeSet<String>,
    /// What the server has not acknowledged, in order.
    pub pending: Vec<PendingSend>,
}
