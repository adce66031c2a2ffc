use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::Error;
use crate::domain::PostingPolicy;
use crate::store;

/// A page of a list in id order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// There are others behind them.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// The page of `limit` items, from a query for one more.
    fn cut(mut items: Vec<T>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self { items, has_more }
    }
}

/// What other services ask about who is where. Always answered from the database: a removed member is out when the call
/// that removed them returns.
impl App {
    /// What a user may do in a chat now; `None` for who is not a member.
    ///
    /// # Errors
    /// When the database does not answer; likewise for all below.
    pub async fn posting_policy(&self, chat_id: ChatId, user_id: UserId) -> Result<Option<PostingPolicy>, Error> {
        Ok(store::posting_policy(&mut *self.pool.get().await?, chat_id, user_id).await?)
    }

    /// The ids of a user's chats above an id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_chat_ids(
        &self,
        user_id: UserId,
        above: Option<ChatId>,
        limit: u32,
    ) -> Result<Page<ChatId>, Error> {
        let mut connection = self.pool.get().await?;
        let ids = store::list_chat_ids(&mut connection, user_id, above, limit.saturating_add(1)).await?;
        Ok(Page::cut(ids, limit))
    }

    /// The members of a chat above an id; none for a chat that does not exist.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_members(
        &self,
        chat_id: ChatId,
        above: Option<UserId>,
        limit: u32,
    ) -> Result<Page<UserId>, Error> {
        let mut connection = self.pool.get().await?;
        let ids = store::list_members(&mut connection, chat_id, above, limit.saturating_add(1)).await?;
        Ok(Page::cut(ids, limit))
    }

    /// The other parties of a user's direct chats above an id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_direct_peers(
        &self,
        user_id: UserId,
        above: Option<UserId>,
        limit: u32,
    ) -> Result<Page<UserId>, Error> {
        let mut connection = self.pool.get().await?;
        let ids = store::list_direct_peers(&mut connection, user_id, above, limit.saturating_add(1)).await?;
        Ok(Page::cut(ids, limit))
    }
}
