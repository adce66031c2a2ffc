use std::time::Duration;

use godwit_kernel::{MediaId, UserId};
use godwit_rpc::InvalidField;
use tokio::time::{Instant, timeout_at};

use super::App;
use crate::domain::{ContentType, Media, State, part_count};
use crate::error::Error;
use crate::object_store::ObjectHead;
use crate::store::{self, Completion};

/// How often the record is looked at while another replica may be looking at the upload.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Of an ETag: a quoted checksum and a number.
const ETAG_BYTES: usize = 128;

/// What the owner says when all bytes are there.
pub struct CompleteUpload {
    /// Who says so.
    pub caller: UserId,
    /// Of what.
    pub id: MediaId,
    /// The ETags of the parts in their order, when the bytes came in parts.
    pub part_etags: Vec<String>,
}

impl App {
    /// Verifies that the object is there and is what was announced, and has it looked at. Waits a moment for the result,
    /// so that small files are ready in the answer; what takes longer is [`State::Processing`] in it. Again: what is
    /// known by now.
    ///
    /// # Errors
    /// [`Error::NotFound`] for all but the owner; [`Error::Expired`]; [`Error::NotUploaded`];
    /// [`Error::SizeMismatch`] and [`Error::ContentTypeMismatch`] when it is something else; those of the stores.
    #[tracing::instrument(name = "media.complete_upload", skip_all, fields(media.id = %request.id), err(level = "debug"))]
    pub async fn complete_upload(&self, request: CompleteUpload) -> Result<Media, Error> {
        let CompleteUpload { caller, id, part_etags } = request;
        let media = self.owned(caller, id).await?;
        match media.state {
            State::Ready | State::Rejected(_) => return Ok(media),
            State::Processing => return self.wait_for_result(media).await,
            State::Pending | State::Expired => {}
        }
        if media.is_expired_at(self.clock.now()) {
            return Err(Error::Expired);
        }
        let part_etags = if media.upload_id.is_some() {
            Some(check_etags(part_etags, part_count(media.size_bytes))?)
        } else {
            let object = self.objects.head(&media.object_key()).await?.ok_or(Error::NotUploaded)?;
            verify(&media, &object).inspect_err(|_| {
                metrics::counter!("godwit_media_uploads_total", "outcome" => "mismatched").increment(1);
            })?;
            None
        };
        let media = self.hand_over(caller, id, Completion { part_etags, size_bytes: None, sha256: None }).await?;
        self.wait_for_result(media).await
    }

    /// Makes an upload one that is looked at.
    pub(super) async fn hand_over(&self, caller: UserId, id: MediaId, completion: Completion) -> Result<Media, Error> {
        let mut conn = self.pool.get().await?;
        if let Some(media) = store::mark_processing(&mut conn, id, &completion, self.clock.now()).await? {
            metrics::counter!("godwit_media_uploads_total", "outcome" => "completed").increment(1);
            metrics::counter!("godwit_media_uploaded_bytes_total").increment(media.size_bytes);
            self.uploaded.notify_one();
            return Ok(media);
        }
        drop(conn);
        // Not pending any more: another call completed it, or the worker gave it up.
        let media = self.owned(caller, id).await?;
        if media.state == State::Expired { Err(Error::Expired) } else { Ok(media) }
    }

    /// What became of an upload that is looked at, if that is known soon.
    pub(super) async fn wait_for_result(&self, mut media: Media) -> Result<Media, Error> {
        let deadline = Instant::now() + self.complete_wait;
        while media.state == State::Processing && Instant::now() < deadline {
            let next_look = deadline.min(Instant::now() + LOOK_INTERVAL);
            // Whether it was told of a result or time is up: the record says what is.
            let _ = timeout_at(next_look, self.processed.notified()).await;
            media = self.find(media.id).await?.ok_or(Error::Expired)?;
        }
        Ok(media)
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

fn check_etags(part_etags: Vec<String>, count: u32) -> Result<Vec<String>, Error> {
    if u32::try_from(part_etags.len()) != Ok(count) {
        return Err(InvalidField::new("part_etags", "must name every part once, in their order").into());
    }
    // They go into an XML document.
    let is_etag = |etag: &String| {
        !etag.is_empty()
            && etag.len() <= ETAG_BYTES
            && etag.bytes().all(|b| b.is_ascii_alphanumeric() || b"\"-_/+=.".contains(&b))
    };
    if part_etags.iter().all(is_etag) {
        Ok(part_etags)
    } else {
        Err(InvalidField::new("part_etags", "must be as the object store answered them").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_as_many_as_parts_and_of_their_form() {
        let etag = "\"d41d8cd98f00b204e9800998ecf8427e-2\"".to_owned();
        assert!(check_etags(vec![etag.clone(); 2], 2).is_ok());
        for wrong in [vec![etag.clone()], vec![etag.clone(), String::new()], vec![etag, "</ETag><x>".to_owned()]] {
            assert!(check_etags(wrong, 2).is_err());
        }
    }
}
