use godwit_kernel::{ChatId, UserId};

use super::super::App;
use crate::domain::Kind;
use crate::error::Error;
use crate::store;

/// Some of a list that other services page through by the last id they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In id order.
    pub items: Vec<T>,
    /// There are others behind them.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// The page of at most `limit` items, of a list that was read one item further.
    fn of(mut items: Vec<T>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self { items, has_more }
    }
}

impl App {
    /// The ids of a user's chats above an id.
    ///
    /// # Errors
    /// When the database does.
    pub async fn list_chat_ids(
        &self,
        user_id: UserId,
        above: Option<ChatId>,
        limit: u32,
    ) -> Result<Page<ChatId>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(Page::of(store::chat_ids_of(&mut conn, user_id, above, limit + 1).await?, limit))
    }

    /// The kind of a chat and its members above an id; `None` when there is no such chat.
    ///
    /// # Errors
    /// When the database does.
    pub async fn list_members(
        &self,
        chat_id: ChatId,
        above: Option<UserId>,
        limit: u32,
    ) -> Result<Option<(Kind, Page<UserId>)>, Error> {
        let mut conn = self.pool.get().await?;
        let members = store::members_of(&mut conn, chat_id, above, limit + 1).await?;
        Ok(members.map(|members| (members.kind, Page::of(members.user_ids, limit))))
    }

    /// The other parties of a user's direct chats above an id.
    ///
    /// # Errors
    /// When the database does.
    pub async fn list_direct_peers(
        &self,
        user_id: UserId,
        above: Option<UserId>,
        limit: u32,
    ) -> Result<Page<UserId>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(Page::of(store::direct_peers_of(&mut conn, user_id, above, limit + 1).await?, limit))
    }
}
