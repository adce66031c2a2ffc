use godwit_kernel::UserId;

use super::super::App;
use crate::domain::{Chat, Invite, InviteCode};
use crate::error::Error;
use crate::store;

/// What who has a code may know of its chat.
#[derive(Clone, Debug)]
pub struct InviteView {
    /// The invite.
    pub invite: Invite,
    /// Its chat.
    pub chat: Chat,
    /// The caller is in it.
    pub is_member: bool,
}

impl App {
    /// The chat that a code leads to. For who is banned from it, the code leads nowhere.
    ///
    /// # Errors
    /// [`Error::InviteNotFound`].
    #[tracing::instrument(name = "chat.get_invite", skip_all, err(level = "debug"))]
    pub async fn get_invite(&self, caller: UserId, code: &InviteCode) -> Result<InviteView, Error> {
        let mut conn = self.pool.get().await?;
        let invite = store::invite_of(&mut conn, code).await?.ok_or(Error::InviteNotFound)?;
        let chat = store::chat(&mut conn, invite.chat_id).await?.ok_or(Error::InviteNotFound)?;
        let is_member = store::member_of(&mut conn, chat.id, caller).await?.is_some();
        let is_banned = !store::banned_among(&mut conn, chat.id, &[caller]).await?.is_empty();
        if is_banned || !(is_member || invite.is_valid(self.clock.now())) {
            return Err(Error::InviteNotFound);
        }
        Ok(InviteView { invite, chat, is_member })
    }
}
