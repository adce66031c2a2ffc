use godwit_kernel::ChatId;
use godwit_pg as pg;

use super::App;
use crate::domain::{MessageChange, MessageState, standing};
use crate::store::{self, Source};

/// Entries of a deleted chat that one statement removes.
const REMOVED_AT_ONCE: i64 = 5_000;

impl App {
    /// Takes what happened to messages into the index. Idempotent, in whatever order changes come again: within an
    /// epoch the newest stands, and a deletion is final.
    ///
    /// # Errors
    /// When the database refuses or does not answer; nothing is changed then.
    pub async fn apply_changes(&self, changes: Vec<MessageChange>) -> Result<(), pg::Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes = standing(changes);
        let written = store::write(&mut *self.pool.get().await?, &changes, Source::Stream).await?;
        metrics::counter!("godwit_search_indexed_messages_total").increment(u64::try_from(written).unwrap_or(u64::MAX));
        let now = self.clock.now();
        let sent_at = changes.iter().filter_map(|change| match &change.state {
            MessageState::There(message) => Some(message.sent_at),
            MessageState::Deleted { .. } => None,
        });
        if let Some(oldest) = sent_at.min() {
            metrics::histogram!("godwit_search_index_lag_seconds").record((now - oldest).as_seconds_f64().max(0.0));
        }
        Ok(())
    }

    /// Takes a deleted chat out of the index for good.
    ///
    /// # Errors
    /// When the database refuses or does not answer; done again it goes on.
    pub async fn remove_chat(&self, chat_id: ChatId) -> Result<(), pg::Error> {
        let mut conn = self.pool.get().await?;
        if store::bar_chat(&mut conn, chat_id, self.clock.now()).await? {
            metrics::counter!("godwit_search_removed_chats_total").increment(1);
        }
        store::remove_channel(&mut conn, chat_id).await?;
        while store::remove_entries(&mut conn, chat_id, REMOVED_AT_ONCE).await? == REMOVED_AT_ONCE {}
        Ok(())
    }
}
