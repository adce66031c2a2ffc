use godwit_kernel::ChatId;

use super::App;
use crate::error::Error;
use crate::store::{self, HeadWithMessage};

impl App {
    /// Where the logs of chats stand, with their newest messages; chats without a log are absent. For other
    /// services, which know who may see them.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "message.get_heads", skip_all, fields(chats = chats.len()), err(level = "debug"))]
    pub async fn get_heads(&self, chats: &[ChatId]) -> Result<Vec<HeadWithMessage>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::heads_with_messages(&mut conn, chats).await?)
    }
}
