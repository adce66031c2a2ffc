use std::collections::HashSet;
use std::time::Duration;

use godwit_kernel::{NodeId, UserId};
use godwit_live::Error;

use super::Roster;
use super::leases::node_key;

/// How long a watch holds that is not repeated.
const WATCH_TTL: Duration = Duration::from_secs(10 * 60);
/// The most watchers of one person, so that a famous one does not cost more than this at each change.
pub const WATCHERS_MAX: u64 = 1_000;

impl Roster {
    /// Notes that the user has these people on screen at a node. Whoever has too many watchers gets no more.
    ///
    /// # Errors
    /// Those of live.
    pub async fn watch(&self, node_id: NodeId, user_id: UserId, people: &[UserId]) -> Result<(), Error> {
        let keys = keys(people);
        // Takes nobody away, and tells how many there are.
        let counts = self.live.remove_from_sets(&keys, &[]).await?;
        let open: Vec<String> =
            keys.into_iter().zip(counts).filter(|(_, count)| *count < WATCHERS_MAX).map(|(key, _)| key).collect();
        self.live.add_to_sets(&open, &[member(user_id, node_id)], WATCH_TTL).await
    }

    /// Notes that the user has them on screen there no longer.
    ///
    /// # Errors
    /// Those of live.
    pub async fn unwatch(&self, node_id: NodeId, user_id: UserId, people: &[UserId]) -> Result<(), Error> {
        self.live.remove_from_sets(&keys(people), &[member(user_id, node_id)]).await.map(drop)
    }

    /// Who has this person on screen at a node that lives.
    ///
    /// # Errors
    /// Those of live.
    pub async fn watchers_of(&self, person: UserId) -> Result<HashSet<UserId>, Error> {
        let members = self.members(watchers_key(person)).await?;
        let watchers: Vec<(UserId, NodeId)> = members.iter().filter_map(|member| parse(member)).collect();
        let nodes: HashSet<NodeId> = watchers.iter().map(|(_, node)| *node).collect();
        let nodes: Vec<NodeId> = nodes.into_iter().collect();
        let node_keys: Vec<String> = nodes.iter().map(|node| node_key(*node)).collect();
        let leases = self.live.get_many(&node_keys).await?;
        let alive: HashSet<NodeId> =
            nodes.into_iter().zip(leases).filter(|(_, lease)| lease.is_some()).map(|(node, _)| node).collect();
        Ok(watchers.into_iter().filter(|(_, node)| alive.contains(node)).map(|(user, _)| user).collect())
    }
}

fn keys(people: &[UserId]) -> Vec<String> {
    people.iter().map(|person| watchers_key(*person)).collect()
}

fn watchers_key(person: UserId) -> String {
    format!("presence:watchers:{person}")
}

fn member(user_id: UserId, node_id: NodeId) -> String {
    format!("{user_id}/{node_id}")
}

fn parse(member: &str) -> Option<(UserId, NodeId)> {
    let (user_id, node_id) = member.split_once('/')?;
    Some((user_id.parse().ok()?, node_id.parse().ok()?))
}
