use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;

use super::super::App;
use super::super::changes::saved_chat_of;
use crate::domain::{Mute, Settings};
use crate::error::Error;
use crate::events::outgoing;
use crate::store::{self, Transactional as _};

/// What is to be changed of what somebody has set for a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SettingChange {
    Mute(Mute),
    Archived(bool),
}

impl App {
    /// Turns the notifications of a chat off, or on again, for the caller.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`]; [`Error::NotReady`] when it is kept but the caller's log does not have it yet: asking again
    /// is right.
    #[tracing::instrument(name = "chat.mute_chat", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn mute_chat(&self, caller: UserId, chat_id: ChatId, mute: Mute) -> Result<Settings, Error> {
        self.change_settings(caller, chat_id, SettingChange::Mute(mute)).await
    }

    /// Puts a chat out of the caller's way, or back.
    ///
    /// # Errors
    /// As [`Self::mute_chat`].
    #[tracing::instrument(name = "chat.archive_chat", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn archive_chat(&self, caller: UserId, chat_id: ChatId) -> Result<Settings, Error> {
        self.change_settings(caller, chat_id, SettingChange::Archived(true)).await
    }

    /// The end of [`Self::archive_chat`].
    ///
    /// # Errors
    /// As [`Self::mute_chat`].
    #[tracing::instrument(name = "chat.unarchive_chat", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn unarchive_chat(&self, caller: UserId, chat_id: ChatId) -> Result<Settings, Error> {
        self.change_settings(caller, chat_id, SettingChange::Archived(false)).await
    }

    async fn change_settings(&self, caller: UserId, chat_id: ChatId, change: SettingChange) -> Result<Settings, Error> {
        let mut conn = self.pool.get().await?;
        let changed =
            conn.transaction::<_, Error, _>(async |tx| self.change_settings_within(tx, caller, chat_id, change).await);
        let settings = changed.await?;
        drop(conn);
        self.deliver_updates(saved_chat_of(caller)).await?;
        Ok(settings)
    }

    async fn change_settings_within(
        &self,
        tx: &mut Connection,
        caller: UserId,
        chat_id: ChatId,
        change: SettingChange,
    ) -> Result<Settings, Error> {
        if chat_id != saved_chat_of(caller) && store::standing_of(tx, chat_id, caller).await?.is_none() {
            return Err(Error::ChatNotFound);
        }
        // Who takes the caller out of the chat takes this lock before it forgets their settings.
        let opened = self.open_saved(tx, &[caller]).await?;
        store::standing_of(tx, chat_id, caller).await?.ok_or(Error::ChatNotFound)?;
        let before = store::settings_of(tx, caller, chat_id).await?.at(self.clock.now());
        let after = match change {
            SettingChange::Mute(mute) => Settings { mute, ..before },
            SettingChange::Archived(is_archived) => Settings { is_archived, ..before },
        };
        if after != before {
            store::set_settings(tx, caller, chat_id, after).await?;
            self.append_privately(tx, &opened, &outgoing::chat_settings_changed(chat_id, after)).await?;
        }
        Ok(after)
    }
}
