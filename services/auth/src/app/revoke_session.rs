use godwit_kernel::SessionId;
use godwit_rpc::Caller;

use super::App;
use crate::Error;
use crate::domain::{ClientAddress, SessionEnd};

impl App {
    /// Ends one session of the caller at once.
    #[tracing::instrument(name = "auth.revoke_session", skip_all, fields(session.id = %id))]
    pub async fn revoke_session(
        &self,
        caller: Caller,
        id: SessionId,
        address: Option<ClientAddress>,
    ) -> Result<(), Error> {
        let occasion = self.occasion(address);
        let cause = if id == caller.session_id { SessionEnd::Logout } else { SessionEnd::Revoked };
        let ended = self.store.end_session(caller.user_id, id, cause, &occasion).await?;
        let ended = ended.ok_or(Error::SessionNotFound)?;
        self.announce([ended]).await;
        Ok(())
    }
}
