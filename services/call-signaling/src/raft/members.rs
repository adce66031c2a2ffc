use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::error::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{BasicNode, ChangeMembers};

use super::node::Error;
use super::{Node, NodeId};

/// How long a replica that joins may take to learn the log, and how long the change itself may take.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

impl Node {
    /// The replicas that vote, and where they are.
    pub fn members(&self) -> BTreeMap<NodeId, String> {
        let metrics = self.raft.metrics().borrow().clone();
        let membership = metrics.membership_config.membership();
        membership
            .voter_ids()
            .map(|id| (id, membership.get_node(&id).map(|node| node.addr.clone()).unwrap_or_default()))
            .collect()
    }

    /// Makes these replicas the ones that vote, for the leader. One that joins learns the log first, so that the group is
    /// never without a majority that has it; calls go on meanwhile. One that leaves may be stopped when this has returned.
    ///
    /// # Errors
    /// When this replica does not lead, another change is under way, one that joins cannot be reached, or one that stays
    /// would move: it must leave and join under another number.
    pub async fn set_members(&self, members: BTreeMap<NodeId, String>) -> Result<(), Error> {
        let current = self.members();
        if members.is_empty() {
            return Err(Error::NoMembers);
        }
        for (id, address) in &members {
            match current.get(id) {
                Some(known) if known == address => {}
                Some(known) if known.is_empty() && current.len() == 1 => self.name_alone(*id, address).await?,
                Some(_) => return Err(Error::MemberMoved(*id)),
                None => self.learn(*id, address).await?,
            }
        }
        let voters = members.into_keys().collect::<BTreeSet<_>>();
        let changed = tokio::time::timeout(JOIN_TIMEOUT, self.raft.change_membership(voters, false)).await;
        changed.map_err(|_| Error::Timeout)?.map(|_| ()).map_err(refused)
    }

    /// A replica that is alone had no address: nobody had to call it. It may get one, for it outvotes itself.
    async fn name_alone(&self, id: NodeId, address: &str) -> Result<(), Error> {
        let named = ChangeMembers::SetNodes([(id, BasicNode::new(address))].into());
        let changed = tokio::time::timeout(JOIN_TIMEOUT, self.raft.change_membership(named, true)).await;
        changed.map_err(|_| Error::Timeout)?.map(|_| ()).map_err(refused)
    }

    async fn learn(&self, id: NodeId, address: &str) -> Result<(), Error> {
        let joined = tokio::time::timeout(JOIN_TIMEOUT, self.raft.add_learner(id, BasicNode::new(address), true)).await;
        joined.map_err(|_| Error::Timeout)?.map(|_| ()).map_err(refused)
    }
}

fn refused(error: RaftError<NodeId, ClientWriteError<NodeId, BasicNode>>) -> Error {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => Error::NotLeader,
        RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_))) => {
            Error::MembersChanging
        }
        error => Error::failed(error),
    }
}
