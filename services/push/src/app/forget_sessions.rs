use godwit_kernel::SessionId;

use super::App;
use crate::error::Error;
use crate::store;

impl App {
    /// Forgets the subscriptions of logins that are over.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_sessions(&self, sessions: &[SessionId]) -> Result<(), Error> {
        if sessions.is_empty() {
            return Ok(());
        }
        let mut conn = self.pool.get().await?;
        let count = store::delete_of_sessions(&mut conn, sessions).await?;
        metrics::counter!("godwit_push_addresses_total", "change" => "logged_out").increment(count as u64);
        Ok(())
    }

    /// Asks the auth service which logins are over, and forgets theirs.
    ///
    /// # Errors
    /// That service's, or the database's.
    #[tracing::instrument(name = "push.forget_revoked_sessions", skip_all, err(level = "debug"))]
    pub async fn forget_revoked_sessions(&self) -> Result<(), Error> {
        let sessions = self.peers.revoked_sessions().await?;
        self.forget_sessions(&sessions).await
    }
}
