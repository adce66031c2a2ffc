use std::time::Duration;

use bytes::Bytes;
use godwit_kernel::NodeId;
use godwit_live::Error;
use time::OffsetDateTime;

use super::{Roster, SET_TTL, parse_all, users_key};
use crate::domain::Lease;

const LEASES: &str = "presence:leases";
const TOLD_TTL: Duration = Duration::from_secs(12 * 60 * 60);
/// When a replica that takes a lease apart is believed dead. Two at once do no harm.
const ENDING_TTL: Duration = Duration::from_secs(30);

/// What a node's report found.
#[derive(Clone, Copy, Debug)]
pub struct Renewal {
    /// The lease that the node holds now.
    pub lease: Lease,
    /// Whether the node should report all its users: the lease is another one, or they were last told long ago.
    pub resend_all: bool,
}

impl Roster {
    /// Prolongs the lease that the node of `fresh` holds, or begins `fresh` when it holds none. A new lease is asked for
    /// its users twice: an answer may be lost.
    ///
    /// # Errors
    /// Those of live.
    pub async fn renew(&self, fresh: Lease, now: OffsetDateTime) -> Result<Renewal, Error> {
        let lease = self.hold(fresh).await?;
        self.live.add_to_sets(&[LEASES.to_owned()], &[lease.to_string()], SET_TTL).await?;
        self.note_heard(lease, now).await?;
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

    /// Begins a lease that no node holds and that ends by itself, for those who leave now.
    ///
    /// # Errors
    /// Those of live.
    pub async fn linger(&self, fresh: Lease, ttl: Duration, now: OffsetDateTime) -> Result<Lease, Error> {
        self.note_heard(fresh, now).await?;
        self.live.set(&node_key(fresh.node_id), fresh.to_string().into(), ttl).await?;
        self.live.add_to_sets(&[LEASES.to_owned()], &[fresh.to_string()], SET_TTL).await?;
        Ok(fresh)
    }

    /// Ends the lease of a node that goes away, after a grace in which its users may turn up elsewhere.
    ///
    /// # Errors
    /// Those of live.
    pub async fn retire(&self, node_id: NodeId, grace: Duration, now: OffsetDateTime) -> Result<(), Error> {
        if let Some(lease) = self.lease_of(node_id).await? {
            self.note_heard(lease, now).await?;
        }
        let key = node_key(node_id);
        if grace.is_zero() { self.live.remove(&key).await } else { self.live.prolong(&key, grace).await.map(drop) }
    }

    /// When the holder of a lease was last heard.
    ///
    /// # Errors
    /// Those of live.
    pub async fn heard_at(&self, lease: Lease) -> Result<Option<OffsetDateTime>, Error> {
        let values = self.live.get_many(&[heard_key(lease)]).await?;
        let nanos = values.into_iter().flatten().find_map(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        Ok(nanos.and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()))
    }

    async fn note_heard(&self, lease: Lease, now: OffsetDateTime) -> Result<(), Error> {
        let nanos = now.unix_timestamp_nanos().to_string();
        self.live.set(&heard_key(lease), nanos.into(), SET_TTL).await
    }

    async fn lease_of(&self, node_id: NodeId) -> Result<Option<Lease>, Error> {
        let values = self.live.get_many(&[node_key(node_id)]).await?;
        Ok(values.into_iter().flatten().find_map(|value| parse(&value)))
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

    /// Keeps a claim while there is still work.
    ///
    /// # Errors
    /// Those of live.
    pub async fn keep_claim(&self, lease: Lease) -> Result<(), Error> {
        self.live.prolong(&ending_key(lease), ENDING_TTL).await.map(drop)
    }

    /// Forgets an ended lease under which nobody is counted any more.
    ///
    /// # Errors
    /// Those of live.
    pub async fn forget(&self, lease: Lease) -> Result<(), Error> {
        for shard in Self::shards_of(lease) {
            self.live.remove(&users_key(lease, shard)).await?;
        }
        self.live.remove(&told_key(lease)).await?;
        self.live.remove(&heard_key(lease)).await?;
        self.live.remove_from_sets(&[LEASES.to_owned()], &[lease.to_string()]).await?;
        self.live.remove(&ending_key(lease)).await
    }
}

pub(super) fn node_key(node_id: NodeId) -> String {
    format!("presence:node:{node_id}")
}

fn told_key(lease: Lease) -> String {
    format!("presence:told:{lease}")
}

fn heard_key(lease: Lease) -> String {
    format!("presence:heard:{lease}")
}

fn ending_key(lease: Lease) -> String {
    format!("presence:ending:{lease}")
}

pub(super) fn parse(value: &[u8]) -> Option<Lease> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
