use godwit_kernel::{MediaId, UserId};

use super::App;
use crate::domain::{ContentType, Media, State};
use crate::error::Error;
use crate::object_store::ObjectHead;
use crate::store;

impl App {
    /// Verifies that the object is there and is what was announced, and makes it ready. Again on what is ready: the
    /// same answer.
    ///
    /// # Errors
    /// [`Error::NotFound`] for all but the owner; [`Error::Expired`]; [`Error::NotUploaded`];
    /// [`Error::SizeMismatch`] and [`Error::ContentTypeMismatch`] when it is something else; those of the stores.
    #[tracing::instrument(name = "media.complete_upload", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn complete_upload(&self, caller: UserId, id: MediaId) -> Result<Media, Error> {
        let media = self.owned(caller, id).await?;
        if media.state == State::Ready {
            return Ok(media);
        }
        if media.is_expired_at(self.clock.now()) {
            return Err(Error::Expired);
        }
        let object = self.objects.head(&media.object_key()).await?.ok_or(Error::NotUploaded)?;
        verify(&media, &object).inspect_err(|_| {
            metrics::counter!("godwit_media_uploads_total", "outcome" => "mismatched").increment(1);
        })?;
        self.mark_ready(caller, id).await
    }

    async fn mark_ready(&self, caller: UserId, id: MediaId) -> Result<Media, Error> {
        let mut conn = self.pool.get().await?;
        if let Some(media) = store::mark_ready(&mut conn, id, self.clock.now()).await? {
            metrics::counter!("godwit_media_uploads_total", "outcome" => "completed").increment(1);
            metrics::counter!("godwit_media_uploaded_bytes_total").increment(media.size_bytes);
            return Ok(media);
        }
        drop(conn);
        // Not pending any more: another call completed it, or the worker gave it up.
        let media = self.owned(caller, id).await?;
        if media.state == State::Ready { Ok(media) } else { Err(Error::Expired) }
    }
}

/// Most stores enforce what the signature covers; this holds for those that do not.
fn verify(announced: &Media, object: &ObjectHead) -> Result<(), Error> {
    if object.size_bytes != announced.size_bytes {
        return Err(Error::SizeMismatch { announced: announced.size_bytes, found: object.size_bytes });
    }
    let content_type = object.content_type.as_deref().map(ContentType::parse);
    if content_type != Some(Ok(announced.content_type.clone())) {
        return Err(Error::ContentTypeMismatch);
    }
    Ok(())
}
