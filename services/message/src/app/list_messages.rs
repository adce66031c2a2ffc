use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::Direction;
use crate::error::Error;
use crate::store::{self, FoundMessages};

/// Which part of a history.
#[derive(Clone, Copy, Debug)]
pub struct ListMessages {
    /// Of which chat.
    pub chat_id: ChatId,
    /// From where, and in which order.
    pub direction: Direction,
    /// The most messages.
    pub limit: u32,
}

impl App {
    /// A page of a chat's history, for its members.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not one.
    #[tracing::instrument(name = "message.list_messages", skip_all, fields(chat.id = %list.chat_id), err(level = "debug"))]
    pub async fn list_messages(&self, caller: UserId, list: ListMessages) -> Result<FoundMessages, Error> {
        let policy = self.policies.get(list.chat_id, caller).await?;
        let mut conn = self.pool.get().await?;
        let found = store::list_messages(&mut conn, list.chat_id, list.direction, list.limit).await?;
        drop(conn);
        self.policies.confirm(list.chat_id, caller, policy, found.membership_version).await?;
        Ok(found)
    }
}
