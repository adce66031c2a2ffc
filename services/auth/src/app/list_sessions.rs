use godwit_kernel::UserId;

use super::App;
use crate::Error;
use crate::domain::Session;

impl App {
    /// The caller's sessions, the one used last first.
    #[tracing::instrument(name = "auth.list_sessions", skip_all)]
    pub async fn list_sessions(&self, user_id: UserId) -> Result<Vec<Session>, Error> {
        Ok(self.store.sessions(user_id, self.clock.now()).await?)
    }
}
