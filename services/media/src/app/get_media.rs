use godwit_kernel::{MediaId, UserId};

use super::App;
use crate::domain::Media;
use crate::error::Error;

impl App {
    /// The record of an upload.
    ///
    /// # Errors
    /// [`Error::NotFound`] for all but the owner and when it was given up, or the database's.
    #[tracing::instrument(name = "media.get_media", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn get_media(&self, caller: UserId, id: MediaId) -> Result<Media, Error> {
        let media = self.visible(caller, id).await?;
        if media.is_expired_at(self.clock.now()) {
            return Err(Error::NotFound);
        }
        Ok(media)
    }
}
