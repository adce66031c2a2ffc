use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::lock_for;
use crate::domain::Right;
use crate::error::Error;
use crate::store::Transactional as _;

impl App {
    /// Ends a group or channel for everybody, by its owner; clears the history of another chat for the caller.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`]; [`Error::RightMissing`] of a group or channel that is another's; [`Error::NotReady`] when
    /// it is gone but the message service does not know yet.
    #[tracing::instrument(name = "chat.delete_chat", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn delete_chat(&self, caller: UserId, chat_id: ChatId) -> Result<(), Error> {
        let chat = self.check_right(caller, chat_id, Right::Read).await?;
        if !chat.kind.has_members_that_come_and_go() {
            return self.logs.clear_history(chat_id, caller).await.map_err(Error::Logs);
        }
        let mut conn = self.pool.get().await?;
        let ended = conn.transaction::<_, Error, _>(async |tx| {
            let mut chat = lock_for(tx, caller, chat_id, Right::DeleteChat).await?.chat;
            self.end_chat(tx, &mut chat, Some(caller)).await
        });
        ended.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.empty_chat(chat_id).await
    }
}
