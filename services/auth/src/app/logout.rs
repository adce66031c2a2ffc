use godwit_kernel::SessionId;

use super::App;
use crate::Error;

impl App {
    /// Ends the caller's session, live sockets included. Once more changes nothing.
    #[tracing::instrument(name = "auth.logout", skip_all, fields(session.id = %session_id))]
    pub async fn logout(&self, session_id: SessionId) -> Result<(), Error> {
        let now = self.clock.now();
        if let Some(revocation) = self.store.revoke_session(session_id, now, self.revocation_end(now)).await? {
            self.announce(revocation, "logout").await;
        }
        Ok(())
    }
}
