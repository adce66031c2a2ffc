use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;

use super::super::App;
use super::super::membership::lock_for;
use crate::domain::{Ban, Cause, Right};
use crate::error::Error;
use crate::store::{self, Transactional as _};

impl App {
    /// Puts somebody out who stands below the caller, if they are in, and keeps them out until [`Self::unban_user`].
    ///
    /// # Errors
    /// As [`Self::remove_member`], and [`Error::UserNotFound`].
    #[tracing::instrument(name = "chat.ban_user", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn ban_user(&self, caller: UserId, chat_id: ChatId, user_id: UserId) -> Result<(), Error> {
        self.check_right(caller, chat_id, Right::Ban).await?;
        if user_id == caller {
            return Err(Error::CannotTargetSelf);
        }
        if self.users.get(caller, &[user_id]).await.map_err(Error::Users)?.is_empty() {
            return Err(Error::UserNotFound);
        }
        let mut conn = self.pool.get().await?;
        let banned = conn.transaction::<_, Error, _>(async |tx| self.ban_within(tx, caller, chat_id, user_id).await);
        let told = banned.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&told).await;
        Ok(())
    }

    /// Returns whose own logs are told.
    async fn ban_within(
        &self,
        tx: &mut Connection,
        caller: UserId,
        chat_id: ChatId,
        user_id: UserId,
    ) -> Result<Vec<UserId>, Error> {
        let mut acting = lock_for(tx, caller, chat_id, Right::Ban).await?;
        let member = store::member_of(tx, chat_id, user_id).await?;
        if member.is_some_and(|member| !acting.caller.role.may_put_out(member.role)) {
            return Err(Error::MemberProtected);
        }
        store::ban(tx, chat_id, Ban { user_id, banned_by: caller, banned_at: self.clock.now() }).await?;
        if let Some(member) = member {
            self.put_out(tx, &mut acting.chat, member, Some(caller), Cause::Banned).await?;
            return Ok(vec![user_id]);
        }
        // Who is in does not wait. Who was put out before, and does not know it yet, is told, too.
        let mut told = self.end_request(tx, chat_id, user_id, Some(caller)).await?.unwrap_or_default();
        told.push(user_id);
        Ok(told)
    }
}
