use godwit_kernel::{ChatId, MessageId};

use super::{App, cue_times};
use crate::error::Error;
use crate::store::{self, Transactional as _};

impl App {
    /// Drops what was still to be told of messages that are deleted, and tells devices that show them.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.forget_messages", skip_all, fields(messages = messages.len()), err(level = "debug"))]
    pub async fn forget_messages(&self, messages: &[MessageId]) -> Result<(), Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let (cued, forgotten) = conn
            .transaction::<_, Error, _>(async |conn| {
                let cued = store::cue_deletions(conn, messages, cue_times(now)).await?;
                Ok((cued, store::delete_messages(conn, messages).await?))
            })
            .await?;
        metrics::counter!("godwit_push_withdrawn_total", "cause" => "deleted").increment(forgotten as u64);
        if cued > 0 {
            self.bells.ring_for_cues();
        }
        Ok(())
    }

    /// Drops what was still to be told of all messages of chats that are deleted, and tells devices that show some.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.forget_chats", skip_all, fields(chats = chats.len()), err(level = "debug"))]
    pub async fn forget_chats(&self, chats: &[ChatId]) -> Result<(), Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let (cued, forgotten) = conn
            .transaction::<_, Error, _>(async |conn| {
                let cued = store::cue_deleted_chats(conn, chats, cue_times(now)).await?;
                Ok((cued, store::delete_chats(conn, chats).await?))
            })
            .await?;
        metrics::counter!("godwit_push_withdrawn_total", "cause" => "deleted").increment(forgotten as u64);
        if cued > 0 {
            self.bells.ring_for_cues();
        }
        Ok(())
    }
}
