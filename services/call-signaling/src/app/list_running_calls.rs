use godwit_kernel::UserId;

use super::App;
use crate::Error;
use crate::domain::Call;

impl App {
    /// The calls of a user that ring or run: at most one.
    ///
    /// # Errors
    /// When this replica cannot say what was committed.
    pub async fn list_running_calls(&self, user_id: UserId) -> Result<Vec<Call>, Error> {
        Ok(self.node.read(|machine| machine.call_of(user_id).cloned()).await?.into_iter().collect())
    }
}
