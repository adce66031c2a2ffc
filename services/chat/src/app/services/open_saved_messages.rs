use godwit_kernel::UserId;

use super::super::App;
use super::super::changes::saved_chat_of;
use crate::error::Error;
use crate::store::Transactional as _;

impl App {
    /// Makes somebody's Saved Messages, if there are none; their log has begun when this returns.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] when they are gone with the account; [`Error::NotReady`] when the log could not be begun yet.
    #[tracing::instrument(name = "chat.open_saved_messages", skip_all, err(level = "debug"))]
    pub async fn open_saved_messages(&self, user_id: UserId) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let opened = conn.transaction::<_, Error, _>(async |tx| self.open_saved(tx, &[user_id]).await);
        if opened.await?.is_empty() {
            return Err(Error::ChatNotFound);
        }
        drop(conn);
        self.deliver_updates(saved_chat_of(user_id)).await
    }
}
