use godwit_kernel::{ChatId, MessageId};
use time::Duration;

use super::App;
use crate::error::Error;
use crate::store::{self, Transactional as _};

/// How long it is worth telling a device that something is deleted.
const CUE_TTL: Duration = Duration::hours(24);

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
                let cued = store::cue_deletions(conn, messages, now, now + CUE_TTL).await?;
                Ok((cued, store::delete_messages(conn, messages).await?))
            })
            .await?;
        metrics::counter!("godwit_push_withdrawn_total", "cause" => "deleted").increment(forgotten as u64);
        if cued > 0 {
            self.bells.ring_for_cues();
        }
        Ok(())
    }

    /// Drops what was still to be told of all messages of chats that are deleted.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.forget_chats", skip_all, fields(chats = chats.len()), err(level = "debug"))]
    pub async fn forget_chats(&self, chats: &[ChatId]) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let count = store::delete_chats(&mut conn, chats).await?;
        metrics::counter!("godwit_push_withdrawn_total", "cause" => "deleted").increment(count as u64);
        Ok(())
    }
}
