use godwit_rpc::Caller;

use super::App;
use crate::Error;
use crate::domain::{ClientAddress, SessionEnd};

impl App {
    /// Ends the caller's session, live sockets included. Once more changes nothing.
    #[tracing::instrument(name = "auth.logout", skip_all, fields(session.id = %caller.session_id))]
    pub async fn logout(&self, caller: Caller, address: Option<ClientAddress>) -> Result<(), Error> {
        let occasion = self.occasion(address);
        let ended = self.store.end_session(caller.user_id, caller.session_id, SessionEnd::Logout, &occasion).await?;
        self.announce(ended).await;
        Ok(())
    }

    /// Ends all sessions of the caller, this one and live sockets included.
    #[tracing::instrument(name = "auth.logout_all", skip_all)]
    pub async fn logout_all(&self, caller: Caller, address: Option<ClientAddress>) -> Result<(), Error> {
        let occasion = self.occasion(address);
        let ended = self.store.end_sessions(caller.user_id, SessionEnd::Logout, &occasion).await?;
        self.announce(ended).await;
        Ok(())
    }
}
