use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::lock_for;
use crate::domain::{Cause, Right};
use crate::error::Error;
use crate::store::{self, Transactional as _};

impl App {
    /// Puts somebody out who stands below the caller. Who is not in the chat stays out, and may join again.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`], [`Error::MemberProtected`], [`Error::CannotTargetSelf`];
    /// [`Error::NotReady`] when they are out but the message service does not know yet: asking again is right.
    #[tracing::instrument(name = "chat.remove_member", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn remove_member(&self, caller: UserId, chat_id: ChatId, user_id: UserId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let removed = conn.transaction::<_, Error, _>(async |tx| {
            let mut acting = lock_for(tx, caller, chat_id, Right::RemoveMembers).await?;
            if user_id == caller {
                return Err(Error::CannotTargetSelf);
            }
            let Some(member) = store::member_of(tx, chat_id, user_id).await? else {
                return Ok(());
            };
            if !acting.caller.role.may_put_out(member.role) {
                return Err(Error::MemberProtected);
            }
            self.put_out(tx, &mut acting.chat, member, Some(caller), Cause::Removed).await
        });
        removed.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&[user_id]).await;
        Ok(())
    }
}
