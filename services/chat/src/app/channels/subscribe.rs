use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::chats::ChatView;
use crate::domain::Kind;
use crate::error::Error;
use crate::store::{self, Transactional as _};

impl App {
    /// Subscribes the caller to a public channel. Who is in it already stays as they are.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], also of a private channel; [`Error::WrongChatKind`], [`Error::Banned`], [`Error::TooManyChats`]; [`Error::NotReady`]
    /// when it is done but the message service does not know yet: asking again is right.
    #[tracing::instrument(name = "chat.subscribe", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn subscribe(&self, caller: UserId, chat_id: ChatId) -> Result<ChatView, Error> {
        let mut conn = self.pool.get().await?;
        let subscribed = conn.transaction::<_, Error, _>(async |tx| {
            let mut chat = store::lock_chat(tx, chat_id).await?.ok_or(Error::ChatNotFound)?;
            let is_member = store::member_of(tx, chat_id, caller).await?.is_some();
            match (chat.kind, is_member) {
                (Kind::Channel, true) => return Ok(vec![caller]),
                (Kind::Channel, false) if chat.info.handle.is_some() => {}
                (_, true) => return Err(Error::WrongChatKind),
                (_, false) => return Err(Error::ChatNotFound),
            }
            if !store::banned_among(tx, chat_id, &[caller]).await?.is_empty() {
                return Err(Error::Banned);
            }
            self.let_one_in(tx, &mut chat, caller, caller).await
        });
        let told = subscribed.await?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.deliver_privately(&told).await;
        self.get_chat(caller, chat_id).await
    }
}
