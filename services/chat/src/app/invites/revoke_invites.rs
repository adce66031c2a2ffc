use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::lock_for;
use crate::domain::{InviteCode, Right};
use crate::error::Error;
use crate::store::{self, Transactional as _};

impl App {
    /// Forgets one invite of a chat, or all: nobody comes by it from the moment this returns.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`].
    #[tracing::instrument(name = "chat.revoke_invites", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn revoke_invites(&self, caller: UserId, chat_id: ChatId, code: Option<InviteCode>) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let revoked = conn.transaction::<_, Error, _>(async |tx| {
            lock_for(tx, caller, chat_id, Right::Invite).await?;
            Ok(store::revoke_invites(tx, chat_id, code.as_ref()).await?)
        });
        revoked.await
    }
}
