use godwit_kernel::{ChatId, UserId};

use super::super::App;
use crate::domain::PostingPolicy;
use crate::error::Error;
use crate::store;

impl App {
    /// What a user may do in a chat now; `None` for who is not a member, also of a chat that does not exist.
    ///
    /// # Errors
    /// When the database does.
    pub async fn posting_policy(&self, chat_id: ChatId, user_id: UserId) -> Result<Option<PostingPolicy>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::posting_policy(&mut conn, chat_id, user_id).await?)
    }

    /// Whether anybody finds a chat by its handle.
    ///
    /// # Errors
    /// When the database does.
    pub async fn is_public(&self, chat_id: ChatId) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::is_public(&mut conn, chat_id).await?)
    }
}
