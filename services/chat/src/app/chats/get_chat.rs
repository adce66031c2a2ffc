use godwit_kernel::limits::RECEIPT_MEMBERS_MAX;
use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::ChatView;
use crate::clients::Receipts;
use crate::domain::{ChatOfMember, Kind};
use crate::error::Error;
use crate::store;

impl App {
    /// One chat, for its members, with the receipts of all of them in a small group.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], also for who is not a member; [`Error::Joining`] while the log does not know of them.
    #[tracing::instrument(name = "chat.get_chat", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn get_chat(&self, caller: UserId, chat_id: ChatId) -> Result<ChatView, Error> {
        let mut conn = self.pool.get().await?;
        let chats = store::chats_of_member(&mut conn, caller, &[chat_id]).await?;
        drop(conn);
        let receipts = receipts_of(chats.first().ok_or(Error::ChatNotFound)?);
        if let Some(view) = self.view(caller, chats, receipts).await?.pop() {
            return Ok(view);
        }
        let mut conn = self.pool.get().await?;
        let is_member = !store::chats_of_member(&mut conn, caller, &[chat_id]).await?.is_empty();
        Err(if is_member { Error::Joining } else { Error::ChatNotFound })
    }
}

fn receipts_of(chat: &ChatOfMember) -> Receipts {
    let is_small_group = chat.chat.kind == Kind::Group && chat.chat.member_count <= RECEIPT_MEMBERS_MAX;
    if is_small_group { Receipts::OfAll } else { Receipts::OfDirectChats }
}
