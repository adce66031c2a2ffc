use super::App;
use crate::error::Error;
use crate::store;

impl App {
    /// Forgets what is too old to be told, and measures what waits.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.expire_notifications", skip_all, err(level = "debug"))]
    pub async fn expire_notifications(&self) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        store::delete_expired(&mut conn, self.clock.now()).await?;
        let backlog = store::backlog(&mut conn).await?;
        #[expect(clippy::cast_precision_loss, reason = "the count is bounded far below 2^52")]
        metrics::gauge!("godwit_push_backlog").set(backlog as f64);
        Ok(())
    }
}
