use super::App;
use crate::error::Error;

impl App {
    /// Takes the leases apart that have ended: their users leave. Every replica does this; a claim keeps two from the
    /// same work, and the same work done twice changes nothing.
    ///
    /// # Errors
    /// When live or the database does not answer; what is left is done by the next call.
    #[tracing::instrument(name = "presence.end_leases", skip_all, err(level = "debug"))]
    pub async fn end_leases(&self) -> Result<(), Error> {
        for lease in self.roster.ended().await? {
            if !self.roster.claim(lease).await? {
                continue;
            }
            let users = self.roster.users_at(lease).await?;
            self.part_users(lease, &users).await?;
            self.roster.forget(lease).await?;
            metrics::counter!("godwit_presence_leases_ended_total").increment(1);
            tracing::info!(node.id = %lease.node_id, user.count = users.len(), "the lease of a node ended");
        }
        Ok(())
    }
}
