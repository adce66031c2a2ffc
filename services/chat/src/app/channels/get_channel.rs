use godwit_kernel::UserId;

use super::super::App;
use crate::domain::{Chat, Handle};
use crate::error::Error;
use crate::store;

/// A public channel, as anybody sees it.
#[derive(Clone, Debug)]
pub struct ChannelView {
    /// The channel.
    pub chat: Chat,
    /// The caller is in it.
    pub is_subscribed: bool,
}

impl App {
    /// The public channel with a handle.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`].
    #[tracing::instrument(name = "chat.get_channel", skip_all, err(level = "debug"))]
    pub async fn get_channel(&self, caller: UserId, handle: &Handle) -> Result<ChannelView, Error> {
        let mut conn = self.pool.get().await?;
        let chat = store::channel_of_handle(&mut conn, handle).await?.ok_or(Error::ChatNotFound)?;
        let is_subscribed = store::member_of(&mut conn, chat.id, caller).await?.is_some();
        Ok(ChannelView { chat, is_subscribed })
    }
}
