use godwit_kernel::UserId;

use super::{App, ChatView};
use crate::domain::ListCursor;
use crate::error::Error;
use crate::store;

/// Some of a user's chats.
#[derive(Clone, Debug)]
pub struct ChatsPage {
    /// The newest first.
    pub chats: Vec<ChatView>,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<ListCursor>,
}

impl App {
    /// A page of the caller's chats, the newest first.
    ///
    /// # Errors
    /// When the database or another service does not answer: a list without heads would make clients sync everything.
    #[tracing::instrument(name = "chat.list_chats", skip_all, err(level = "debug"))]
    pub async fn list_chats(&self, caller: UserId, cursor: Option<ListCursor>, limit: u32) -> Result<ChatsPage, Error> {
        let mut conn = self.pool.get().await?;
        let before = cursor.map(|cursor| cursor.before);
        let mut chats = store::chats_of_member(&mut conn, caller, before, limit + 1).await?;
        drop(conn);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = chats.len() > limit;
        chats.truncate(limit);
        let next_cursor = chats.last().filter(|_| has_more).map(|last| ListCursor { before: last.chat.id });
        Ok(ChatsPage { chats: self.view(caller, chats).await?, next_cursor })
    }
}
