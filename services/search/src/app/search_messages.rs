use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::Error;
use crate::domain::{Cursor, IndexedMessage, Query};
use crate::store;

/// What a person looks for.
#[derive(Clone, Debug)]
pub struct MessageSearch {
    /// The words.
    pub query: Query,
    /// Only this chat.
    pub chat_id: Option<ChatId>,
    /// Where the page before ended.
    pub before: Option<Cursor>,
    /// The most hits, at least 1.
    pub limit: u32,
}

/// A page of hits, newest first.
#[derive(Clone, Debug)]
pub struct Hits {
    /// The messages.
    pub messages: Vec<IndexedMessage>,
    /// Where the next page begins, when there is one.
    pub next: Option<Cursor>,
}

impl App {
    /// Finds messages in the chats that the person is a member of at this moment.
    ///
    /// # Errors
    /// When the named chat is not one of theirs, or a part does not answer.
    pub async fn search_messages(&self, user_id: UserId, search: MessageSearch) -> Result<Hits, Error> {
        let MessageSearch { query, chat_id, before, limit } = search;
        let chat_ids = match chat_id {
            Some(chat_id) if self.chats.is_member(chat_id, user_id).await? => vec![chat_id],
            Some(_) => return Err(Error::ChatNotFound),
            None => self.chats.chat_ids(user_id).await?,
        };
        // One more than asked tells whether there is a next page.
        let mut connection = self.pool.get().await?;
        let mut messages = store::find(&mut connection, &query, &chat_ids, before, limit.saturating_add(1)).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = messages.len() > limit;
        messages.truncate(limit);
        let next = messages.last().filter(|_| has_more).map(Cursor::from);
        metrics::counter!("godwit_search_queries_total").increment(1);
        Ok(Hits { messages, next })
    }
}
