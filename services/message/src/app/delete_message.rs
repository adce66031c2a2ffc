use godwit_kernel::{MessageId, UserId};

use super::App;
use super::act::hide_chat;
use crate::domain::{Act, Right};
use crate::error::Error;

impl App {
    /// Deletes a message for everyone: nothing that it said is left when this returns. Its sender may, and who may delete any.
    /// What is deleted stays so.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`]; [`Error::DeletionNotAllowed`]; those of the appender.
    #[tracing::instrument(name = "message.delete_message", skip_all, fields(message.id = %id), err(level = "debug"))]
    pub async fn delete_message(&self, caller: UserId, id: MessageId) -> Result<(), Error> {
        let delete = |may_be_of_others| Act::Delete { seq: id.seq, may_be_of_others };
        let mut result = self.act(caller, id.chat_id, |policy| Ok(delete(policy.rights.has(Right::DeleteAny)))).await;
        if matches!(result, Err(Error::DeletionNotAllowed)) {
            // The caller can have been made an admin since.
            self.policies.reload(id.chat_id, caller).await.map_err(hide_chat)?;
            result = self
                .act(caller, id.chat_id, |policy| {
                    let may = policy.rights.has(Right::DeleteAny);
                    if may { Ok(delete(true)) } else { Err(Error::DeletionNotAllowed) }
                })
                .await;
        }
        result.map(drop).map_err(hide_chat)
    }

    /// Deletes a message for the caller alone.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`]; those of the appender.
    #[tracing::instrument(name = "message.hide_message", skip_all, fields(message.id = %id), err(level = "debug"))]
    pub async fn hide_message(&self, caller: UserId, id: MessageId) -> Result<(), Error> {
        self.act(caller, id.chat_id, |_| Ok(Act::Hide { seq: id.seq })).await.map(drop).map_err(hide_chat)
    }
}
