use super::App;
use crate::error::Error;
use crate::store;

/// The most uploads of one round.
const ROUND: u32 = 100;

impl App {
    /// Gives up uploads that were pending for too long: removes their objects, then their records. Returns whether
    /// there may be more now.
    ///
    /// A record outlives its object, so a crash in between leaves nothing behind that the next round does not find.
    ///
    /// # Errors
    /// When a store fails; what is left is for the next round.
    #[tracing::instrument(name = "media.expire_uploads", skip_all, err(level = "debug"))]
    pub async fn expire_uploads(&self) -> Result<bool, Error> {
        let mut conn = self.pool.get().await?;
        let given_up = store::expire(&mut conn, self.clock.now(), i64::from(ROUND)).await?;
        drop(conn);
        for media in &given_up {
            self.objects.delete(&media.object_key()).await?;
            let mut conn = self.pool.get().await?;
            store::delete_expired(&mut conn, media.id).await?;
            metrics::counter!("godwit_media_uploads_total", "outcome" => "expired").increment(1);
        }
        Ok(u32::try_from(given_up.len()).unwrap_or(ROUND) == ROUND)
    }
}
