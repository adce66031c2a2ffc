use godwit_kernel::{ChatId, Seq, UserId};

use super::App;
use crate::domain::{Direction, Message};
use crate::error::Error;
use crate::store::{self, FoundMessages};

/// Which part of a history.
#[derive(Clone, Copy, Debug)]
pub struct ListMessages {
    /// Of which chat.
    pub chat_id: ChatId,
    /// From where, and in which order.
    pub place: Place,
    /// The most messages.
    pub limit: u32,
}

/// Where in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On one side of a seq.
    Beside(Direction),
    /// As many before as from this seq on; newest first.
    Around(Seq),
}

/// A part of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePage {
    /// In the order asked for.
    pub messages: Vec<Message>,
    /// There are others behind the last one.
    pub has_more: bool,
    /// Around a seq: there are newer ones before the first.
    pub has_newer: bool,
}

impl App {
    /// A page of a chat's history, for its members: what is there for them.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not one.
    #[tracing::instrument(name = "message.list_messages", skip_all, fields(chat.id = %list.chat_id), err(level = "debug"))]
    pub async fn list_messages(&self, caller: UserId, list: ListMessages) -> Result<MessagePage, Error> {
        match list.place {
            Place::Beside(direction) => {
                let found = self.list_beside(caller, list.chat_id, direction, list.limit).await?;
                Ok(MessagePage { messages: found.messages, has_more: found.has_more, has_newer: false })
            }
            Place::Around(seq) => {
                let older_limit = list.limit / 2;
                let from = Direction::After(Seq::from_i64(seq.as_i64() - 1));
                let newer = self.list_beside(caller, list.chat_id, from, list.limit - older_limit).await?;
                let mut messages = newer.messages;
                messages.reverse();
                let older = self.list_beside(caller, list.chat_id, Direction::Before(seq), older_limit).await?;
                messages.extend(older.messages);
                Ok(MessagePage { messages, has_more: older.has_more, has_newer: newer.has_more })
            }
        }
    }

    async fn list_beside(
        &self,
        caller: UserId,
        chat_id: ChatId,
        direction: Direction,
        limit: u32,
    ) -> Result<FoundMessages, Error> {
        let policy = self.policies.get(chat_id, caller).await?;
        let mut conn = self.pool.get().await?;
        let found = store::list_messages(&mut conn, chat_id, caller, direction, limit).await?;
        drop(conn);
        let policy = self.policies.confirm(chat_id, caller, policy, found.membership_version).await?;
        if !found.messages.is_empty() {
            policy.check_known(found.is_participant)?;
        }
        Ok(found)
    }
}
