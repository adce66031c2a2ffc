use godwit_kernel::{ChatId, Seq};
use godwit_pg as pg;

use super::App;
use crate::store;

impl App {
    /// Takes updates that the stream has brought back into the sync log and out of the outbox. Again: nothing more
    /// happens.
    ///
    /// # Errors
    /// When the database does; all or nothing was done.
    pub async fn log_updates(&self, updates: &[(ChatId, Seq)]) -> Result<(), pg::Error> {
        let mut conn = self.pool.get().await?;
        let moved = store::move_to_sync_log(&mut conn, updates).await?;
        metrics::counter!("godwit_message_logged_total").increment(moved as u64);
        Ok(())
    }
}
