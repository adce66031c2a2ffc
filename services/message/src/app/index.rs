use godwit_kernel::{MessageId, UserId};

use super::App;
use crate::domain::{ListedMessage, Message};
use crate::error::Error;
use crate::store;

impl App {
    /// Messages as a member of their chats may see them now; the others are absent. For the search service, which knows
    /// that the viewer is a member.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "message.seen_messages", skip_all, fields(messages = ids.len()), err(level = "debug"))]
    pub async fn seen_messages(&self, ids: &[MessageId], viewer: UserId) -> Result<Vec<Message>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::seen_messages(&mut conn, ids, viewer).await?)
    }

    /// The first messages of all chats after one of them, by chat and seq. For the search service, which builds its
    /// index anew.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "message.list_all_messages", skip_all, err(level = "debug"))]
    pub async fn list_all_messages(&self, after: Option<MessageId>, limit: u32) -> Result<Vec<ListedMessage>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::list_all_messages(&mut conn, after, limit).await?)
    }
}
