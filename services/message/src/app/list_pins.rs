use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::Message;
use crate::error::Error;
use crate::store;

impl App {
    /// The pinned messages of a chat that are there for the caller, the newest pin first.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not a member; [`Error::LogNotReady`].
    #[tracing::instrument(name = "message.list_pins", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn list_pins(&self, caller: UserId, chat_id: ChatId) -> Result<Vec<Message>, Error> {
        let policy = self.policies.get(chat_id, caller).await?;
        let mut conn = self.pool.get().await?;
        let found = store::pinned_messages(&mut conn, chat_id, caller).await?;
        drop(conn);
        let policy = self.policies.confirm(chat_id, caller, policy, found.membership_version).await?;
        if !found.messages.is_empty() {
            policy.check_known(found.is_participant)?;
        }
        Ok(found.messages)
    }
}
