use godwit_pg as pg;

use super::App;
use crate::domain::IndexedMessage;
use crate::store;

impl App {
    /// Makes messages findable. Idempotent by chat, seq and epoch.
    ///
    /// # Errors
    /// When the database refuses or does not answer; nothing is indexed then.
    pub async fn index_messages(&self, messages: &[IndexedMessage]) -> Result<(), pg::Error> {
        if messages.is_empty() {
            return Ok(());
        }
        let written = store::insert(&mut *self.pool.get().await?, messages).await?;
        metrics::counter!("godwit_search_indexed_messages_total").increment(u64::try_from(written).unwrap_or(u64::MAX));
        let now = self.clock.now();
        if let Some(oldest) = messages.iter().map(|message| message.sent_at).min() {
            metrics::histogram!("godwit_search_index_lag_seconds").record((now - oldest).as_seconds_f64().max(0.0));
        }
        Ok(())
    }
}
