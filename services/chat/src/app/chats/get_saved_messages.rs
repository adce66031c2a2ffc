use godwit_kernel::UserId;

use super::super::App;
use super::super::changes::saved_chat_of;
use super::ChatView;
use crate::error::Error;

impl App {
    /// What the caller keeps for themselves, made if it is not there.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it is made but its log could not be begun yet.
    #[tracing::instrument(name = "chat.get_saved_messages", skip_all, err(level = "debug"))]
    pub async fn get_saved_messages(&self, caller: UserId) -> Result<ChatView, Error> {
        self.open_saved_messages(caller).await?;
        self.get_chat(caller, saved_chat_of(caller)).await
    }
}
