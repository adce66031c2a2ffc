use godwit_kernel::{ChatId, MessageId, UserId};

use super::App;
use crate::domain::Message;
use crate::error::Error;
use crate::store;

impl App {
    /// The pinned messages of a chat that are there for the caller, the newest pin first.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not a member.
    #[tracing::instrument(name = "message.list_pins", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn list_pins(&self, caller: UserId, chat_id: ChatId) -> Result<Vec<Message>, Error> {
        // Where nothing is pinned nothing else asks whether they still are one.
        self.current_policy(chat_id, caller).await?;
        let mut conn = self.pool.get().await?;
        let pinned = store::pinned(&mut conn, chat_id).await?;
        drop(conn);
        let mut messages = Vec::with_capacity(pinned.len());
        for seq in pinned {
            match self.get_message(caller, MessageId { chat_id, seq }).await {
                Ok(message) => messages.push(message),
                Err(Error::MessageNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(messages)
    }
}
