use godwit_kernel::{CallId, UserId};

use super::App;
use crate::Error;
use crate::domain::{Call, Refusal};
use crate::store;

impl App {
    /// The call, running or over, for one of its parties.
    ///
    /// # Errors
    /// When there is none for this person.
    pub async fn get_call(&self, call_id: CallId, user_id: UserId) -> Result<Call, Error> {
        let running = self.node.read(|machine| machine.call(call_id).cloned()).await?;
        let call = match running {
            Some(call) => Some(call),
            None => store::find(&mut *self.pool.get().await?, call_id).await?,
        };
        call.filter(|call| call.role_of(user_id).is_some()).ok_or(Error::Refused(Refusal::NotFound))
    }
}
