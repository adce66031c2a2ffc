use super::App;
use crate::error::Error;
use crate::store;

/// The most objects of one round.
const ROUND: u32 = 100;

impl App {
    /// Removes objects that nothing needs any more: uploads of which people get a copy, those that were rejected, and what
    /// somebody put to an address of an upload that is over. Returns whether there may be more now.
    ///
    /// # Errors
    /// When a store fails; what is left is for the next round.
    #[tracing::instrument(name = "media.collect_garbage", skip_all, err(level = "debug"))]
    pub async fn collect_garbage(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let due = store::due_garbage(&mut conn, now, i64::from(ROUND)).await?;
        drop(conn);
        for key in &due {
            self.objects.delete(key).await?;
            let mut conn = self.pool.get().await?;
            store::garbage_removed(&mut conn, key, now).await?;
            metrics::counter!("godwit_media_objects_removed_total").increment(1);
        }
        Ok(u32::try_from(due.len()).unwrap_or(ROUND) == ROUND)
    }
}
