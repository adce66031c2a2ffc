use std::collections::HashMap;

use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::ChatView;
use crate::clients::{Rank, Receipts};
use crate::domain::{CHATS_MAX, FolderId, TimeCursor};
use crate::error::Error;
use crate::store::{self, ChatFilter};

/// Which of their chats somebody wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatsOf {
    /// Those that are not archived.
    Inbox,
    /// Those that are.
    Archive,
    /// Those of a folder, archived or not.
    Folder(FolderId),
}

/// Some of a user's chats.
#[derive(Clone, Debug)]
pub struct ChatsPage {
    /// The one with the newest message first.
    pub chats: Vec<ChatView>,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<TimeCursor>,
}

impl App {
    /// A page of the caller's chats, the one with the newest message first. Of more than 10000 chats the newest 10000 are
    /// listed.
    ///
    /// # Errors
    /// [`Error::FolderNotFound`]; when the database or another service does not answer: a list without heads would make
    /// clients sync everything.
    #[tracing::instrument(name = "chat.list_chats", skip_all, err(level = "debug"))]
    pub async fn list_chats(
        &self,
        caller: UserId,
        of: ChatsOf,
        cursor: Option<TimeCursor>,
        limit: u32,
    ) -> Result<ChatsPage, Error> {
        let mut conn = self.pool.get().await?;
        let filter = match of {
            ChatsOf::Inbox => ChatFilter::Archived(false),
            ChatsOf::Archive => ChatFilter::Archived(true),
            ChatsOf::Folder(folder_id) => {
                let folders = store::folders_of(&mut conn, caller).await?;
                let folder = folders.into_iter().find(|folder| folder.id == folder_id);
                ChatFilter::Among(folder.ok_or(Error::FolderNotFound)?.chat_ids)
            }
        };
        let all = store::list_ids(&mut conn, caller, &filter, CHATS_MAX).await?;
        drop(conn);
        let after = cursor.map(|cursor| Rank { chat_id: ChatId::from_uuid(cursor.id), active_at: cursor.at });
        let mut ranks = self.logs.rank(&all, after, limit + 1).await.map_err(Error::Logs)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = ranks.len() > limit;
        ranks.truncate(limit);
        let next_cursor =
            ranks.last().filter(|_| has_more).map(|last| TimeCursor { at: last.active_at, id: last.chat_id.as_uuid() });
        let chats = self.ranked(caller, &ranks).await?;
        Ok(ChatsPage { chats, next_cursor })
    }

    async fn ranked(&self, caller: UserId, ranks: &[Rank]) -> Result<Vec<ChatView>, Error> {
        let ids: Vec<ChatId> = ranks.iter().map(|rank| rank.chat_id).collect();
        let mut conn = self.pool.get().await?;
        let chats = store::chats_of_member(&mut conn, caller, &ids).await?;
        drop(conn);
        let mut chats: HashMap<ChatId, _> = chats.into_iter().map(|chat| (chat.chat.id, chat)).collect();
        // A chat that was left in between is gone from the page.
        let chats = ids.iter().filter_map(|id| chats.remove(id)).collect();
        self.view(caller, chats, Receipts::OfDirectChats).await
    }
}
