use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::lock_for;
use crate::domain::Right;
use crate::error::Error;
use crate::store::{self, Transactional as _};

impl App {
    /// Lets somebody in who waits for it. Who is in already stays as they are.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`], [`Error::JoinRequestNotFound`], [`Error::ChatFull`],
    /// [`Error::TooManyChats`]; [`Error::NotReady`] when they are in but the log does not have it yet: asking again is right.
    #[tracing::instrument(name = "chat.accept_join_request", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn accept_join_request(&self, caller: UserId, chat_id: ChatId, user_id: UserId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let accepted = conn.transaction::<_, Error, _>(async |tx| {
            let mut chat = lock_for(tx, caller, chat_id, Right::Invite).await?.chat;
            if store::member_of(tx, chat_id, user_id).await?.is_some() {
                return Ok(vec![user_id]);
            }
            if !store::has_join_request(tx, chat_id, user_id).await? {
                return Err(Error::JoinRequestNotFound);
            }
            self.let_one_in(tx, &mut chat, user_id, caller).await
        });
        let told = accepted.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&told).await;
        Ok(())
    }

    /// Sends somebody away who waits to be let in. They may ask again.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`], [`Error::JoinRequestNotFound`].
    #[tracing::instrument(name = "chat.reject_join_request", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn reject_join_request(&self, caller: UserId, chat_id: ChatId, user_id: UserId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let rejected = conn.transaction::<_, Error, _>(async |tx| {
            lock_for(tx, caller, chat_id, Right::Invite).await?;
            self.end_request(tx, chat_id, user_id, Some(caller)).await?.ok_or(Error::JoinRequestNotFound)
        });
        let told = rejected.await?;
        drop(conn);
        self.deliver_privately(&told).await;
        Ok(())
    }
}
