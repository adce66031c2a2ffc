use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::Act;
use crate::error::Error;

impl App {
    /// Deletes the history of a chat for one member. For the chat service, which is asked.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not a member; those of the appender.
    #[tracing::instrument(name = "message.clear_history", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn clear_history(&self, member: UserId, chat_id: ChatId) -> Result<(), Error> {
        self.act(member, chat_id, |_| Ok(Act::Clear)).await.map(drop)
    }
}
