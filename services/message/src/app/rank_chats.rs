use godwit_kernel::{ChatId, MessageId};

use super::App;
use crate::domain::Message;
use crate::error::Error;
use crate::store::{self, ChatRank};

impl App {
    /// Puts chats in the order of a chat list, the one with the newest message first. For the chat service, which knows whose.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "message.rank_chats", skip_all, fields(chats = chats.len()), err(level = "debug"))]
    pub async fn rank_chats(
        &self,
        chats: &[ChatId],
        after: Option<ChatRank>,
        limit: u32,
    ) -> Result<Vec<ChatRank>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::rank_chats(&mut conn, chats, after, limit).await?)
    }

    /// Messages as they are now, whoever may see them; deleted ones are absent. For services that act on them later.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "message.get_messages", skip_all, fields(messages = ids.len()), err(level = "debug"))]
    pub async fn get_messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::messages_by_id(&mut conn, ids).await?)
    }
}
