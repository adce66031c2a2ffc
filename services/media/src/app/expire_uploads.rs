use super::App;
use crate::domain::{Media, Object};
use crate::error::Error;
use crate::store;

/// The most uploads of one round.
const ROUND: u32 = 100;

impl App {
    /// Gives up uploads that were pending for too long, and those that nothing refers to since long: removes their
    /// objects and parts, then their records. Returns whether there may be more now.
    ///
    /// A record outlives its objects, so a crash in between leaves nothing behind that the next round does not find.
    ///
    /// # Errors
    /// When a store fails; what is left is for the next round.
    #[tracing::instrument(name = "media.expire_uploads", skip_all, err(level = "debug"))]
    pub async fn expire_uploads(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut conn = self.pool.get().await?;
        let unused = store::give_up_unused(&mut conn, now, i64::from(ROUND)).await?;
        metrics::counter!("godwit_media_uploads_total", "outcome" => "unused")
            .increment(u64::try_from(unused).unwrap_or(u64::MAX));
        let given_up = store::expire(&mut conn, now, i64::from(ROUND)).await?;
        drop(conn);
        for media in &given_up {
            if self.remove(media).await? {
                metrics::counter!("godwit_media_uploads_total", "outcome" => "expired").increment(1);
            }
        }
        Ok(u32::try_from(given_up.len()).unwrap_or(ROUND) == ROUND)
    }

    /// Removes all that belongs to an upload that was given up, its record last. False when another was faster.
    pub(super) async fn remove(&self, media: &Media) -> Result<bool, Error> {
        let key = media.object_key();
        if let Some(upload_id) = &media.upload_id {
            self.objects.abort_multipart(&key, upload_id).await?;
        }
        // Those whose begin was not noted: the process ended first, or the store's answer was lost.
        for upload_id in self.objects.list_multiparts(&key).await? {
            self.objects.abort_multipart(&key, &upload_id).await?;
        }
        self.objects.delete(&key).await?;
        for object in Object::DERIVED {
            self.objects.delete(&object.key(media.id)).await?;
        }
        let mut conn = self.pool.get().await?;
        Ok(store::delete_expired(&mut conn, media, self.clock.now()).await?)
    }
}
