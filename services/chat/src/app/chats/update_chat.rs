use godwit_kernel::{ChatId, UserId};

use super::super::App;
use super::super::membership::lock_for;
use super::ChatView;
use super::create_chat::handle_taken;
use crate::domain::{Handle, InfoChanges, Right};
use crate::error::Error;
use crate::events::outgoing;
use crate::store::{self, Transactional as _};

impl App {
    /// Changes what a group or channel says of itself. What is as it was before makes no update.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], [`Error::RightMissing`], [`Error::WrongChatKind`] for a setting of the other kind,
    /// [`Error::HandleReserved`], [`Error::HandleTaken`], [`Error::MediaNotFound`], [`Error::MediaNotAnImage`].
    #[tracing::instrument(name = "chat.update_chat", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn update_chat(&self, caller: UserId, chat_id: ChatId, changes: InfoChanges) -> Result<ChatView, Error> {
        let before = self.check_right(caller, chat_id, Right::ChangeInfo).await?;
        let new_avatar = changes.avatar_id.flatten().filter(|avatar_id| before.info.avatar_id != Some(*avatar_id));
        if let Some(avatar_id) = new_avatar {
            self.check_avatar(caller, avatar_id).await?;
        }
        let is_reserved = changes.handle.as_ref().and_then(Option::as_ref).is_some_and(Handle::is_reserved);
        if is_reserved {
            return Err(Error::HandleReserved);
        }
        let mut conn = self.pool.get().await?;
        let changed = conn.transaction::<_, Error, _>(async |tx| {
            let mut chat = lock_for(tx, caller, chat_id, Right::ChangeInfo).await?.chat;
            let info = changes.clone().apply(chat.kind, &chat.info).ok_or(Error::WrongChatKind)?;
            if info == chat.info {
                return Ok(());
            }
            if chat.info.is_tightened_by(&info) {
                chat.version = chat.version.next();
            }
            chat.info = info;
            store::save_chat(tx, &chat).await?;
            self.append(tx, &chat, Some(caller), outgoing::chat_info_changed(&chat)).await
        });
        changed.await.map_err(handle_taken)?;
        drop(conn);
        self.deliver_updates(chat_id).await?;
        self.get_chat(caller, chat_id).await
    }
}
