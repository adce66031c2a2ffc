use godwit_kernel::UserId;

use super::super::App;
use crate::Error;
use crate::domain::access::Refusal;
use crate::domain::{Privacy, PrivacyChanges};

impl App {
    /// Changes who may see and do what; in force when this returns.
    #[tracing::instrument(name = "auth.update_privacy", skip_all)]
    pub async fn update_privacy(&self, id: UserId, changes: PrivacyChanges) -> Result<Privacy, Error> {
        Ok(self.store.change_privacy(id, &changes).await?.ok_or(Refusal::UserNotFound)?)
    }
}
