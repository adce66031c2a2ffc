use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::Cause;
use crate::error::Error;
use crate::store::{self, Transactional as _};

/// People who are put out of a chat that is gone in one transaction.
const PAGE: u32 = 200;
/// So many pages the call that deletes a chat does itself; the worker does the others.
const PAGES_AT_ONCE: usize = 5;
/// Chats that a worker takes at once.
const CHATS: u32 = 20;
/// For so long a chat is left to the call that deleted it.
const FIRST_PAUSE: time::Duration = time::Duration::seconds(2);

impl App {
    /// Puts the first thousand out of a chat that is gone. They could do nothing in it before; now their gateways and
    /// their own logs are told.
    pub(super) async fn empty_chat(&self, chat_id: ChatId) -> Result<(), Error> {
        for page in 0..PAGES_AT_ONCE {
            let Some(people) = self.put_out_page(chat_id).await? else {
                return Ok(());
            };
            self.deliver_updates(chat_id).await?;
            // In a large chat their own logs are left to the worker: nobody waits for a thousand appends.
            if page == 0 {
                self.deliver_privately(&people).await;
            }
        }
        Ok(())
    }

    /// Goes on where the calls that deleted chats stopped, and tells whether there may be more to do at once.
    ///
    /// # Errors
    /// When the database does.
    pub async fn empty_deleted_chats(&self) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        let chats = store::emptying_chats(&mut conn, self.clock.now() - FIRST_PAUSE, CHATS).await?;
        drop(conn);
        for chat_id in &chats {
            match self.empty_chat(*chat_id).await {
                // What is kept is delivered later.
                Ok(()) | Err(Error::NotReady(_) | Error::UpdateRefused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(!chats.is_empty())
    }

    /// `None` when nobody is left.
    async fn put_out_page(&self, chat_id: ChatId) -> Result<Option<Vec<UserId>>, Error> {
        let mut conn = self.pool.get().await?;
        let people = conn.transaction::<_, Error, _>(async |tx| {
            let Some(mut chat) = store::lock_deleted_chat(tx, chat_id).await? else {
                return Ok(Vec::new());
            };
            let people = store::remove_some_members(tx, chat_id, PAGE).await?;
            if people.is_empty() {
                chat.member_count = 0;
                store::save_chat(tx, &chat).await?;
                return Ok(people);
            }
            let removed = u32::try_from(people.len()).unwrap_or(u32::MAX);
            // At least one until a page was empty, so that the worker looks.
            chat.member_count = chat.member_count.saturating_sub(removed).max(1);
            chat.version = chat.version.next();
            store::save_chat(tx, &chat).await?;
            self.raise(tx, &chat, Vec::new(), people.clone()).await?;
            self.forget_membership(tx, chat_id, &people, Cause::ChatDeleted).await?;
            Ok(people)
        });
        let people = people.await?;
        Ok((!people.is_empty()).then_some(people))
    }
}
