use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::lock_for;
use crate::domain::Right;
use crate::error::Error;
use crate::store::{self, Transactional as _};

impl App {
    /// Lifts a ban, if there is one: they may join again.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`].
    #[tracing::instrument(name = "chat.unban_user", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn unban_user(&self, caller: UserId, chat_id: ChatId, user_id: UserId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let lifted = conn.transaction::<_, Error, _>(async |tx| {
            lock_for(tx, caller, chat_id, Right::Ban).await?;
            Ok(store::unban(tx, chat_id, user_id).await?)
        });
        lifted.await
    }
}
