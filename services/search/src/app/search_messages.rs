use std::collections::{BTreeSet, HashMap};

use godwit_kernel::{ChatId, Seq, UserId};

use super::App;
use crate::Error;
use crate::domain::{Cursor, IndexedMessage, Query};
use crate::store;

/// The most matches that one search looks at; beyond them it finds nothing more.
const SCANNED_MAX: usize = 2_000;

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
    /// Finds messages in the chats that the person is a member of at this moment, from where on they may see them.
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
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // One more than asked tells whether there is a next page.
        let mut messages = self.find_visible(user_id, &query, &chat_ids, before, limit.saturating_add(1)).await?;
        let has_more = messages.len() > limit;
        messages.truncate(limit);
        let next = messages.last().filter(|_| has_more).map(Cursor::from);
        metrics::counter!("godwit_search_queries_total").increment(1);
        Ok(Hits { messages, next })
    }

    /// The newest matches that the person may see, at most `wanted`. Matches from before the person could see a chat are
    /// passed over, and no cursor points at one; after [`SCANNED_MAX`] matches the search ends.
    async fn find_visible(
        &self,
        user_id: UserId,
        query: &Query,
        chat_ids: &[ChatId],
        mut before: Option<Cursor>,
        wanted: usize,
    ) -> Result<Vec<IndexedMessage>, Error> {
        let mut visible_from: HashMap<ChatId, Seq> = HashMap::new();
        let (mut messages, mut scanned) = (Vec::new(), 0);
        while messages.len() < wanted && scanned < SCANNED_MAX {
            let page = u32::try_from(wanted).unwrap_or(u32::MAX);
            let mut connection = self.pool.get().await?;
            let found = store::find(&mut connection, query, chat_ids, before, page).await?;
            drop(connection);
            let is_last = found.len() < wanted;
            scanned += found.len();
            before = found.last().map(Cursor::from);
            let new: BTreeSet<ChatId> =
                found.iter().map(|message| message.chat_id).filter(|id| !visible_from.contains_key(id)).collect();
            visible_from.extend(self.logs.visible_from(user_id, &new.into_iter().collect::<Vec<_>>()).await?);
            let may_see =
                |message: &IndexedMessage| visible_from.get(&message.chat_id).is_some_and(|from| message.seq >= *from);
            messages.extend(found.into_iter().filter(may_see));
            if is_last {
                break;
            }
        }
        messages.truncate(wanted);
        Ok(messages)
    }
}
