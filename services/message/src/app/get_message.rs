use godwit_kernel::{MessageId, UserId};

use super::App;
use super::act::hide_chat;
use crate::domain::Message;
use crate::error::Error;
use crate::store;

impl App {
    /// One message, for members of its chat.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], also for who is not a member.
    #[tracing::instrument(
        name = "message.get_message",
        skip_all,
        fields(chat.id = %id.chat_id, message.seq = id.seq.get()),
        err(level = "debug")
    )]
    pub async fn get_message(&self, caller: UserId, id: MessageId) -> Result<Message, Error> {
        let policy = self.policies.get(id.chat_id, caller).await.map_err(hide_chat)?;
        let mut conn = self.pool.get().await?;
        let found = store::find_message(&mut conn, id, caller).await?;
        drop(conn);
        let Some(message) = found.messages.into_iter().next() else {
            return Err(Error::MessageNotFound);
        };
        let policy =
            self.policies.confirm(id.chat_id, caller, policy, found.membership_version).await.map_err(hide_chat)?;
        policy.check_known(found.is_participant)?;
        Ok(message)
    }
}
