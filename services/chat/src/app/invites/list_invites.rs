use godwit_kernel::{ChatId, UserId};

use super::super::App;
use crate::domain::{Invite, Right};
use crate::error::Error;
use crate::store;

impl App {
    /// The invites of a chat by which somebody may come, the newest first; at most 100.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`].
    #[tracing::instrument(name = "chat.list_invites", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn list_invites(&self, caller: UserId, chat_id: ChatId) -> Result<Vec<Invite>, Error> {
        self.check_right(caller, chat_id, Right::Invite).await?;
        let mut conn = self.pool.get().await?;
        Ok(store::invites_of(&mut conn, chat_id, self.clock.now()).await?)
    }
}
