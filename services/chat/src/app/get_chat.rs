use godwit_kernel::{ChatId, UserId};

use super::{App, ChatView};
use crate::error::Error;

impl App {
    /// One chat, for its members.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], also for who is not a member.
    #[tracing::instrument(name = "chat.get_chat", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn get_chat(&self, caller: UserId, chat_id: ChatId) -> Result<ChatView, Error> {
        let chat = self.visible(caller, chat_id).await?;
        self.view(caller, vec![chat]).await?.pop().ok_or(Error::ChatNotFound)
    }
}
