use godwit_kernel::{MediaId, UserId};
use time::OffsetDateTime;
use url::Url;

use super::App;
use crate::domain::{ADDRESS_TTL, State, content_disposition};
use crate::error::Error;

/// Where the bytes can be fetched.
pub struct MediaUrl {
    /// The address.
    pub url: Url,
    /// When it stops to work.
    pub expires_at: OffsetDateTime,
}

impl App {
    /// An address to fetch the bytes from. Works while the object store is down; the download then fails there.
    ///
    /// # Errors
    /// As [`Self::get_media`]; [`Error::NotReady`] before the upload is complete.
    #[tracing::instrument(name = "media.get_media_url", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn get_media_url(&self, caller: UserId, id: MediaId) -> Result<MediaUrl, Error> {
        let media = self.get_media(caller, id).await?;
        if media.state != State::Ready {
            return Err(Error::NotReady);
        }
        let disposition = content_disposition(&media.content_type, &media.file_name);
        let url = self.objects.presign_get(&media.object_key(), &disposition, ADDRESS_TTL);
        Ok(MediaUrl { url, expires_at: self.clock.now() + ADDRESS_TTL })
    }
}
