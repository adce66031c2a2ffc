use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::lock_as_member;
use crate::domain::{Cause, Role};
use crate::error::Error;
use crate::store::Transactional as _;

impl App {
    /// Takes the caller out of a group or channel.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::WrongChatKind`], [`Error::OwnerCannotLeave`]; [`Error::NotReady`] when they are
    /// out but the message service does not know yet.
    #[tracing::instrument(name = "chat.leave_chat", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn leave_chat(&self, caller: UserId, chat_id: ChatId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let left = conn.transaction::<_, Error, _>(async |tx| {
            let mut acting = lock_as_member(tx, caller, chat_id).await?;
            if !acting.chat.kind.has_members_that_come_and_go() {
                return Err(Error::WrongChatKind);
            }
            if acting.caller.role == Role::Owner {
                return Err(Error::OwnerCannotLeave);
            }
            self.put_out(tx, &mut acting.chat, acting.caller, Some(caller), Cause::Left).await
        });
        left.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&[caller]).await;
        Ok(())
    }
}
