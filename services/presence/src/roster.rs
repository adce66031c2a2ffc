//! Who is where, in live. Keys, all of which end by themselves:
//!
//! | key | holds |
//! |---|---|
//! | `presence:node:{node}` | the node's lease; it is the node's while this key lives |
//! | `presence:leases` | the leases that were begun and not yet taken apart |
//! | `presence:users:{lease}` | the users reported under a lease |
//! | `presence:user:{user}` | the leases under which a user was reported |
//! | `presence:told:{lease}` | the node was asked for all its users lately |
//! | `presence:ending:{lease}` | a replica takes the lease apart |
//!
//! A user is online when one of their leases is held. So the users of a dead node are offline the moment its lease
//! ends, whoever takes the lease apart later.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_kernel::{NodeId, UserId};
use godwit_live::{Error, Live};

use crate::domain::Lease;

const LEASES: &str = "presence:leases";
/// Sets end this long after the last addition. Nodes are asked for all their users twice in this time.
const SET_TTL: Duration = Duration::from_secs(24 * 60 * 60);
const TOLD_TTL: Duration = Duration::from_secs(12 * 60 * 60);
/// When a replica that takes a lease apart is believed dead. Two at once do no harm.
const ENDING_TTL: Duration = Duration::from_secs(30);
/// Members of a set added or taken by one command.
const MEMBERS_MAX: usize = 1_000;

/// Who is where.
#[derive(Clone)]
pub struct Roster {
    live: Arc<dyn Live>,
    lease_ttl: Duration,
}

/// What a node's report found.
#[derive(Clone, Copy, Debug)]
pub struct Renewal {
    /// The lease that the node holds now.
    pub lease: Lease,
    /// Whether the node should report all its users: the lease is another one, or they were last told long ago.
    pub resend_all: bool,
}

impl Roster {
    /// A roster in `live`, with leases that hold for `lease_ttl`.
    pub const fn new(live: Arc<dyn Live>, lease_ttl: Duration) -> Self {
        Self { live, lease_ttl }
    }

    /// How long a lease holds without a report.
    pub const fn lease_ttl(&self) -> Duration {
        self.lease_ttl
    }

    /// Prolongs the lease that the node of `fresh` holds, or begins `fresh` when it holds none. A new lease is asked for
    /// its users twice: an answer may be lost.
    ///
    /// # Errors
    /// Those of live.
    pub async fn renew(&self, fresh: Lease) -> Result<Renewal, Error> {
        let lease = self.hold(fresh).await?;
        self.live.add_to_sets(&[LEASES.to_owned()], &[lease.to_string()], SET_TTL).await?;
        let resend_all = lease == fresh || self.live.set_if_absent(&told_key(lease), Bytes::new(), TOLD_TTL).await?;
        Ok(Renewal { lease, resend_all })
    }

    async fn hold(&self, fresh: Lease) -> Result<Lease, Error> {
        let key = node_key(fresh.node_id);
        if self.live.prolong(&key, self.lease_ttl).await?
            && let Some(held) = self.lease_of(fresh.node_id).await?
        {
            return Ok(held);
        }
        if self.live.set_if_absent(&key, fresh.to_string().into(), self.lease_ttl).await? {
            return Ok(fresh);
        }
        // Another report of the same node was quicker.
        let held = self.lease_of(fresh.node_id).await?;
        held.ok_or_else(|| Error::Unavailable("the node's lease changes all the time".into()))
    }

    /// Ends the lease of a node.
    ///
    /// # Errors
    /// Those of live.
    pub async fn release(&self, node_id: NodeId) -> Result<(), Error> {
        self.live.remove(&node_key(node_id)).await
    }

    async fn lease_of(&self, node_id: NodeId) -> Result<Option<Lease>, Error> {
        let values = self.live.get_many(&[node_key(node_id)]).await?;
        Ok(values.into_iter().flatten().find_map(|value| parse(&value)))
    }

    /// Whether a user is online.
    ///
    /// # Errors
    /// Those of live.
    pub async fn is_online(&self, user_id: UserId) -> Result<bool, Error> {
        let leases = self.whereabouts(&[user_id]).await?;
        Ok(!self.held(leases.into_values().flatten()).await?.is_empty())
    }

    /// Which of these users are online.
    ///
    /// # Errors
    /// Those of live.
    pub async fn online_among(&self, users: &[UserId]) -> Result<HashSet<UserId>, Error> {
        let whereabouts = self.whereabouts(users).await?;
        let held = self.held(whereabouts.values().flatten().copied()).await?;
        let is_online = |leases: &Vec<Lease>| leases.iter().any(|lease| held.contains(lease));
        Ok(whereabouts.into_iter().filter(|(_, leases)| is_online(leases)).map(|(user_id, _)| user_id).collect())
    }

    /// Counts users under a lease; returns those who were not online before.
    ///
    /// # Errors
    /// Those of live. Some users may be counted already; to join again is right.
    pub async fn join(&self, lease: Lease, users: &[UserId]) -> Result<Vec<UserId>, Error> {
        let before = self.whereabouts(users).await?;
        let held = self.held(before.values().flatten().copied()).await?;
        // First the list by which the users are found when the lease has ended.
        for part in users.chunks(MEMBERS_MAX) {
            self.live.add_to_sets(&[users_key(lease)], &texts(part), SET_TTL).await?;
        }
        self.live.add_to_sets(&user_keys(users), &[lease.to_string()], SET_TTL).await?;
        let was_online = |leases: &Vec<Lease>| leases.iter().any(|lease| held.contains(lease));
        Ok(before.into_iter().filter(|(_, leases)| !was_online(leases)).map(|(user_id, _)| user_id).collect())
    }

    /// Which of these users would be offline if they were no longer counted under `lease`.
    ///
    /// # Errors
    /// Those of live.
    pub async fn only_at(&self, lease: Lease, users: &[UserId]) -> Result<Vec<UserId>, Error> {
        let whereabouts = self.whereabouts(users).await?;
        let held = self.held(whereabouts.values().flatten().copied()).await?;
        let elsewhere = |leases: &[Lease]| leases.iter().any(|other| *other != lease && held.contains(other));
        let only_here = |leases: &[Lease]| leases.contains(&lease) && !elsewhere(leases);
        Ok(whereabouts.into_iter().filter(|(_, leases)| only_here(leases)).map(|(user_id, _)| user_id).collect())
    }

    /// No longer counts users under a lease.
    ///
    /// # Errors
    /// Those of live. Some users may still be counted; to leave again is right.
    pub async fn leave(&self, lease: Lease, users: &[UserId]) -> Result<(), Error> {
        self.live.remove_from_sets(&user_keys(users), &[lease.to_string()]).await?;
        for part in users.chunks(MEMBERS_MAX) {
            self.live.remove_from_sets(&[users_key(lease)], &texts(part)).await?;
        }
        Ok(())
    }

    /// The leases that have ended and were not taken apart.
    ///
    /// # Errors
    /// Those of live.
    pub async fn ended(&self) -> Result<Vec<Lease>, Error> {
        let known: Vec<Lease> = parse_all(self.members(LEASES.to_owned()).await?);
        let held = self.held(known.iter().copied()).await?;
        Ok(known.into_iter().filter(|lease| !held.contains(lease)).collect())
    }

    /// Claims an ended lease, so that other replicas leave it alone for a while.
    ///
    /// # Errors
    /// Those of live.
    pub async fn claim(&self, lease: Lease) -> Result<bool, Error> {
        self.live.set_if_absent(&ending_key(lease), Bytes::new(), ENDING_TTL).await
    }

    /// Who is still counted under a lease.
    ///
    /// # Errors
    /// Those of live.
    pub async fn users_at(&self, lease: Lease) -> Result<Vec<UserId>, Error> {
        Ok(parse_all(self.members(users_key(lease)).await?))
    }

    /// Forgets an ended lease under which nobody is counted any more.
    ///
    /// # Errors
    /// Those of live.
    pub async fn forget(&self, lease: Lease) -> Result<(), Error> {
        self.live.remove(&users_key(lease)).await?;
        self.live.remove(&told_key(lease)).await?;
        self.live.remove_from_sets(&[LEASES.to_owned()], &[lease.to_string()]).await?;
        self.live.remove(&ending_key(lease)).await
    }

    /// Which of these leases are held now.
    async fn held(&self, leases: impl IntoIterator<Item = Lease>) -> Result<HashSet<Lease>, Error> {
        let leases: HashSet<Lease> = leases.into_iter().collect();
        let nodes: HashSet<NodeId> = leases.iter().map(|lease| lease.node_id).collect();
        let keys: Vec<String> = nodes.into_iter().map(node_key).collect();
        let values = self.live.get_many(&keys).await?;
        Ok(values
            .into_iter()
            .flatten()
            .filter_map(|value| parse(&value))
            .filter(|held| leases.contains(held))
            .collect())
    }

    /// Under which leases each of these users was reported.
    async fn whereabouts(&self, users: &[UserId]) -> Result<HashMap<UserId, Vec<Lease>>, Error> {
        let leases = self.live.members_of_sets(&user_keys(users)).await?;
        Ok(users.iter().copied().zip(leases.into_iter().map(parse_all)).collect())
    }

    async fn members(&self, key: String) -> Result<Vec<String>, Error> {
        Ok(self.live.members_of_sets(&[key]).await?.pop().unwrap_or_default())
    }
}

fn node_key(node_id: NodeId) -> String {
    format!("presence:node:{node_id}")
}

fn users_key(lease: Lease) -> String {
    format!("presence:users:{lease}")
}

fn user_keys(users: &[UserId]) -> Vec<String> {
    users.iter().map(|user_id| format!("presence:user:{user_id}")).collect()
}

fn told_key(lease: Lease) -> String {
    format!("presence:told:{lease}")
}

fn ending_key(lease: Lease) -> String {
    format!("presence:ending:{lease}")
}

fn texts(users: &[UserId]) -> Vec<String> {
    users.iter().map(UserId::to_string).collect()
}

fn parse(value: &[u8]) -> Option<Lease> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// What another release may have left and this one cannot read counts as absent.
fn parse_all<T: std::str::FromStr>(texts: Vec<String>) -> Vec<T> {
    texts.into_iter().filter_map(|text| text.parse().ok()).collect()
}
