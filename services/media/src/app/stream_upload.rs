use bytes::Bytes;
use godwit_kernel::{MediaId, UserId};
use godwit_rpc::InvalidField;

use super::App;
use crate::domain::{Media, PART_BYTES, State, parse_size};
use crate::error::Error;
use crate::store::Completion;

/// What the gateway says when all bytes of an upload have come through it.
pub struct FinishStream {
    /// Who uploads.
    pub caller: UserId,
    /// Of what.
    pub id: MediaId,
    /// How many bytes came; at most as many as were announced.
    pub size_bytes: u64,
    /// Their checksum, if the gateway tells.
    pub sha256: Option<[u8; 32]>,
    /// The ETags of the parts in their order.
    pub part_etags: Vec<String>,
}

impl App {
    /// Puts one part of an upload that comes through the gateway, and returns its ETag. Again for the same number: the
    /// part is replaced.
    ///
    /// # Errors
    /// [`Error::NotFound`] for all but the owner; [`Error::NotInParts`]; [`Error::Expired`]; when the part is none of the
    /// announced size; those of the stores.
    #[tracing::instrument(name = "media.put_part", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn put_part(&self, caller: UserId, id: MediaId, number: u32, bytes: Bytes) -> Result<String, Error> {
        let (media, upload_id) = self.pending_in_parts(caller, id).await?;
        let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if bytes.is_empty() || size_bytes > PART_BYTES {
            return Err(InvalidField::new("data", "must have 1 to 8388608 bytes").into());
        }
        let number = u16::try_from(number).ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| InvalidField::new("number", "must be at least 1"))?;
        let ends_at = u64::from(number - 1) * PART_BYTES + size_bytes;
        if ends_at > media.size_bytes {
            return Err(Error::SizeMismatch { announced: media.size_bytes, found: ends_at });
        }
        Ok(self.objects.upload_part(&media.object_key(), &upload_id, number, bytes).await?)
    }

    /// Has an upload that came through the gateway looked at, as [`Self::complete_upload`] does. Again: what is known by now.
    ///
    /// # Errors
    /// As [`Self::complete_upload`].
    #[tracing::instrument(name = "media.finish_stream", skip_all, fields(media.id = %request.id), err(level = "debug"))]
    pub async fn finish_stream(&self, request: FinishStream) -> Result<Media, Error> {
        let FinishStream { caller, id, size_bytes, sha256, part_etags } = request;
        let media = self.owned(caller, id).await?;
        match media.state {
            State::Ready | State::Rejected(_) => return Ok(media),
            State::Processing => return self.wait_for_result(media).await,
            State::Pending | State::Expired => {}
        }
        let (media, _) = self.pending_in_parts(caller, id).await?;
        let size_bytes = parse_size(size_bytes).map_err(|violation| InvalidField::new("size_bytes", violation.0))?;
        if size_bytes > media.size_bytes {
            return Err(Error::SizeMismatch { announced: media.size_bytes, found: size_bytes });
        }
        let completion = Completion { part_etags: Some(part_etags), size_bytes: Some(size_bytes), sha256 };
        let media = self.hand_over(caller, id, completion).await?;
        self.wait_for_result(media).await
    }
}
