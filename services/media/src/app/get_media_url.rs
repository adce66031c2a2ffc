use godwit_kernel::{MediaId, UserId};
use time::OffsetDateTime;
use url::Url;

use super::App;
use crate::domain::{ADDRESS_TTL, Media, Object, State, ThumbnailSize, content_disposition};
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
    /// As [`Self::get_media`]; [`Error::NotReady`] before it was looked at; [`Error::Rejected`].
    #[tracing::instrument(name = "media.get_media_url", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn get_media_url(&self, caller: UserId, id: MediaId) -> Result<MediaUrl, Error> {
        let media = self.ready(caller, id).await?;
        let disposition = content_disposition(media.kind, &media.content_type, &media.file_name);
        Ok(self.address(&media.served_key(), media.content_type.as_str(), &disposition))
    }

    /// An address to fetch a thumbnail from.
    ///
    /// # Errors
    /// As [`Self::get_media_url`]; [`Error::NoThumbnail`] for what cannot be looked at.
    #[tracing::instrument(name = "media.get_thumbnail_url", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn get_thumbnail_url(&self, caller: UserId, id: MediaId, size: ThumbnailSize) -> Result<MediaUrl, Error> {
        let media = self.ready(caller, id).await?;
        if !media.details.has_thumbnails {
            return Err(Error::NoThumbnail);
        }
        Ok(self.address(&Object::Thumbnail(size).key(id), "image/webp", "inline"))
    }

    async fn ready(&self, caller: UserId, id: MediaId) -> Result<Media, Error> {
        let media = self.get_media(caller, id).await?;
        match media.state {
            State::Ready => Ok(media),
            State::Rejected(rejection) => Err(Error::Rejected(rejection)),
            State::Pending | State::Processing => Err(Error::NotReady),
            State::Expired => Err(Error::NotFound),
        }
    }

    fn address(&self, key: &str, content_type: &str, disposition: &str) -> MediaUrl {
        let url = self.objects.presign_get(key, content_type, disposition, ADDRESS_TTL);
        MediaUrl { url, expires_at: self.clock.now() + ADDRESS_TTL }
    }
}
