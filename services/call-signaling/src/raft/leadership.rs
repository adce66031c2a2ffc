use std::time::Duration;

use super::{Node, NodeId};

/// A leader that no majority has answered for this long may have been replaced without knowing.
const LEASE_MS: u64 = 1_000;
/// How often a replica looks that waits for a leader.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Which replica takes commands, as far as this one knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// This one; a majority answered it a moment ago.
    Here,
    /// The one at this address.
    At(String),
    /// None at the moment, or none that this one knows of.
    Nowhere,
}

impl Node {
    /// Which replica takes commands.
    pub fn leadership(&self) -> Leadership {
        // Looked at for every request: what is not needed is not cloned.
        let receiver = self.raft.metrics();
        let metrics = receiver.borrow();
        match metrics.current_leader {
            Some(id) if id == self.node_id => {
                let is_fresh = metrics.millis_since_quorum_ack.is_some_and(|ms| ms < LEASE_MS);
                if is_fresh { Leadership::Here } else { Leadership::Nowhere }
            }
            Some(id) => {
                let node = metrics.membership_config.membership().get_node(&id);
                node.map_or(Leadership::Nowhere, |node| Leadership::At(node.addr.clone()))
            }
            None => Leadership::Nowhere,
        }
    }

    /// Waits a moment before a look at who leads now.
    pub async fn wait_for_leader(&self) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }

    /// Whether this replica leads.
    pub fn is_leader(&self) -> bool {
        self.leadership() == Leadership::Here
    }

    /// Whether some replica leads.
    pub fn has_leader(&self) -> bool {
        self.leadership() != Leadership::Nowhere
    }

    /// The number of the replica that leads, as far as this one knows.
    pub fn leader_number(&self) -> Option<NodeId> {
        self.raft.metrics().borrow().current_leader
    }
}
