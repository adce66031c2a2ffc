use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::timestamp;
use prost::Message as _;

use super::super::App;
use crate::domain::{Draft, Right};
use crate::error::Error;
use crate::events::outgoing;
use crate::store;

/// The most drafts of an answer.
const DRAFTS_MAX: i64 = 1_000;

impl App {
    /// What the caller was about to send to a chat.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`].
    #[tracing::instrument(name = "chat.get_draft", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn get_draft(&self, caller: UserId, chat_id: ChatId) -> Result<Option<Draft>, Error> {
        self.check_right(caller, chat_id, Right::Read).await?;
        let mut conn = self.pool.get().await?;
        Ok(store::draft_of(&mut conn, caller, chat_id).await?)
    }

    /// What a user was about to send to any chat, the newest first.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "chat.list_drafts", skip_all, err(level = "debug"))]
    pub async fn list_drafts(&self, user_id: UserId) -> Result<Vec<Draft>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::drafts_of(&mut conn, user_id, DRAFTS_MAX).await?)
    }

    /// Keeps what the caller is about to send to a chat, in place of what it was before, and tells their devices.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`].
    #[tracing::instrument(name = "chat.set_draft", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn set_draft(&self, caller: UserId, chat_id: ChatId, draft: pb::Draft) -> Result<pb::Draft, Error> {
        self.check_right(caller, chat_id, Right::Read).await?;
        let now = self.clock.now();
        let draft = pb::Draft { chat_id: chat_id.to_string(), updated_at: Some(timestamp(now)), ..draft };
        let mut conn = self.pool.get().await?;
        let is_kept = store::set_draft(&mut conn, caller, chat_id, &Draft(draft.encode_to_vec().into()), now).await?;
        drop(conn);
        if !is_kept {
            return Err(Error::ChatNotFound);
        }
        self.publish(vec![outgoing::draft_frame(caller, draft.clone())]).await.ok();
        Ok(draft)
    }

    /// Forgets what the caller was about to send to a chat, if there is anything, and tells their devices.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`].
    #[tracing::instrument(name = "chat.delete_draft", skip_all, fields(chat.id = %chat_id), err(level = "debug"))]
    pub async fn delete_draft(&self, caller: UserId, chat_id: ChatId) -> Result<(), Error> {
        self.check_right(caller, chat_id, Right::Read).await?;
        let mut conn = self.pool.get().await?;
        let deleted = store::delete_draft(&mut conn, chat_id, &[caller]).await?;
        drop(conn);
        if deleted > 0 {
            let now = Some(timestamp(self.clock.now()));
            let gone = pb::Draft { chat_id: chat_id.to_string(), updated_at: now, ..pb::Draft::default() };
            self.publish(vec![outgoing::draft_frame(caller, gone)]).await.ok();
        }
        Ok(())
    }
}
