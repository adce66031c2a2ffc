use godwit_kernel::{ChatId, UserId};

use super::super::App;
use crate::domain::{Kind, Right};
use crate::error::Error;

impl App {
    /// Takes the caller out of a channel.
    ///
    /// # Errors
    /// As [`Self::leave_chat`]; [`Error::WrongChatKind`] also of a group.
    #[tracing::instrument(name = "chat.unsubscribe", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn unsubscribe(&self, caller: UserId, chat_id: ChatId) -> Result<(), Error> {
        if self.check_right(caller, chat_id, Right::Read).await?.kind != Kind::Channel {
            return Err(Error::WrongChatKind);
        }
        self.leave_chat(caller, chat_id).await
    }
}
