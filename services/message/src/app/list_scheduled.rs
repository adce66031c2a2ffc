use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::Scheduled;
use crate::error::Error;
use crate::store;

impl App {
    /// What the caller has scheduled in a chat, the next due first.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not a member; the database's.
    #[tracing::instrument(name = "message.list_scheduled", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn list_scheduled(&self, caller: UserId, chat_id: ChatId) -> Result<Vec<Scheduled>, Error> {
        self.current_policy(chat_id, caller).await?;
        let mut conn = self.pool.get().await?;
        Ok(store::list_scheduled(&mut conn, chat_id, caller).await?)
    }
}
