use godwit_kernel::ChatId;

use super::App;
use crate::domain::MessageMedia;
use crate::error::Error;
use crate::store;

impl App {
    /// Takes what messages carry now: their chats' members may fetch it, and no longer what was taken away.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "media.follow_messages", skip_all, fields(count = messages.len()), err(level = "debug"))]
    pub async fn follow_messages(&self, messages: &[MessageMedia]) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        store::apply_messages(&mut conn, messages, self.clock.now() + self.unused_ttl).await?;
        metrics::counter!("godwit_media_messages_followed_total")
            .increment(u64::try_from(messages.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Takes away all that these chats carry: they are gone.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "media.forget_chats", skip_all, fields(count = chats.len()), err(level = "debug"))]
    pub async fn forget_chats(&self, chats: &[ChatId]) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::delete_chats(&mut conn, chats, self.clock.now() + self.unused_ttl).await?)
    }
}
