use futures_util::{TryStreamExt as _, stream};

use super::App;
use crate::domain::Lease;
use crate::error::Error;
use crate::roster::Roster;

/// Leases that are taken apart at the same time, so that a large one does not hold up the small.
const CONCURRENCY: usize = 4;

impl App {
    /// Takes the leases apart that have ended: their users leave. Every replica does this; a claim keeps two from the
    /// same work, and the same work done twice changes nothing.
    ///
    /// # Errors
    /// When live or the database does not answer; what is left is done by a later call.
    #[tracing::instrument(name = "presence.end_leases", skip_all, err(level = "debug"))]
    pub async fn end_leases(&self) -> Result<(), Error> {
        let ended = self.roster.ended().await?;
        stream::iter(ended.into_iter().map(Ok))
            .try_for_each_concurrent(CONCURRENCY, |lease| self.end_lease(lease))
            .await
    }

    async fn end_lease(&self, lease: Lease) -> Result<(), Error> {
        if !self.roster.claim(lease).await? {
            return Ok(());
        }
        let user_count = self.take_apart(lease).await?;
        self.roster.forget(lease).await?;
        if lease.is_of_nobody() {
            return Ok(());
        }
        metrics::counter!("godwit_presence_leases_ended_total").increment(1);
        tracing::info!(node.id = %lease.node_id, user.count = user_count, "the lease of a node ended");
        Ok(())
    }

    /// Shard by shard: the users of a large node would be too many for one answer of live.
    async fn take_apart(&self, lease: Lease) -> Result<usize, Error> {
        let seen_at = self.roster.heard_at(lease).await?.unwrap_or_else(|| self.clock.now());
        let mut user_count = 0;
        for shard in Roster::shards_of(lease) {
            let users = self.roster.users_in(lease, shard).await?;
            user_count += users.len();
            self.part_users(lease, &users, seen_at).await?;
            self.roster.keep_claim(lease).await?;
        }
        Ok(user_count)
    }
}
