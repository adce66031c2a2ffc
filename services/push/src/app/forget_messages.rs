use godwit_kernel::{ChatId, MessageId};

use super::App;
use crate::error::Error;
use crate::store;

impl App {
    /// Drops what was still to be told of messages that are deleted.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.forget_messages", skip_all, fields(messages = messages.len()), err(level = "debug"))]
    pub async fn forget_messages(&self, messages: &[MessageId]) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let count = store::delete_messages(&mut conn, messages).await?;
        metrics::counter!("godwit_push_forgotten_messages_total").increment(count as u64);
        Ok(())
    }

    /// Drops what was still to be told of all messages of chats that are deleted.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.forget_chats", skip_all, fields(chats = chats.len()), err(level = "debug"))]
    pub async fn forget_chats(&self, chats: &[ChatId]) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let count = store::delete_chats(&mut conn, chats).await?;
        metrics::counter!("godwit_push_forgotten_messages_total").increment(count as u64);
        Ok(())
    }
}
