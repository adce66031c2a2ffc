use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::error::Error;
use crate::store::{self, LogHead, SeenHead, WantedReceipts};

impl App {
    /// Where the logs of chats stand; chats without a log are absent. For other services, which know who may see them.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "message.get_heads", skip_all, fields(chats = chats.len()), err(level = "debug"))]
    pub async fn get_heads(&self, chats: &[ChatId]) -> Result<Vec<LogHead>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::heads(&mut conn, chats).await?)
    }

    /// Where the logs of chats stand for one of their members. For other services, which know that they are one.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "message.get_seen_heads", skip_all, fields(chats = chats.len()), err(level = "debug"))]
    pub async fn get_seen_heads(
        &self,
        chats: &[ChatId],
        viewer: UserId,
        wanted: WantedReceipts,
    ) -> Result<Vec<SeenHead>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::seen_heads(&mut conn, chats, viewer, wanted).await?)
    }
}
