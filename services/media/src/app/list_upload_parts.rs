use godwit_kernel::{MediaId, UserId};
use godwit_rpc::InvalidField;
use url::Url;

use super::App;
use crate::domain::{ADDRESS_TTL, Media, State, part_count, part_size};
use crate::error::Error;

/// The most parts of one answer: each carries an address.
const PAGE_MAX: u32 = 64;

/// A part of an upload, and where to put it.
pub struct UploadPart {
    /// From 1 on.
    pub number: u16,
    /// How many bytes it must have.
    pub size_bytes: u64,
    /// Where to put it.
    pub url: Url,
    /// The store has it.
    pub is_uploaded: bool,
    /// What the store calls its content; empty when it is not there or the store does not tell.
    pub etag: String,
}

impl App {
    /// At most 64 parts of an upload from number `from` on, with new addresses and whether they are there: a client that
    /// lost track goes on where it was.
    ///
    /// # Errors
    /// [`Error::NotFound`] for all but the owner; [`Error::NotInParts`]; those of the stores.
    #[tracing::instrument(name = "media.list_upload_parts", skip_all, fields(media.id = %id), err(level = "debug"))]
    pub async fn list_upload_parts(
        &self,
        caller: UserId,
        id: MediaId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<UploadPart>, Error> {
        let (media, upload_id) = self.pending_in_parts(caller, id).await?;
        let count = part_count(media.size_bytes);
        let first = from.max(1);
        if first > count {
            return Err(InvalidField::new("from", "is behind the last part").into());
        }
        let last = count.min(first.saturating_add(limit.clamp(1, PAGE_MAX) - 1));
        let key = media.object_key();
        let there = self.objects.list_parts(&key, &upload_id).await?;
        let numbers = (first..=last).filter_map(|number| u16::try_from(number).ok());
        let parts = numbers.map(|number| {
            let size_bytes = part_size(media.size_bytes, number);
            let found = there.iter().find(|part| part.number == number && part.size_bytes == size_bytes);
            UploadPart {
                number,
                size_bytes,
                url: self.objects.presign_part(&key, &upload_id, number, size_bytes, ADDRESS_TTL),
                is_uploaded: found.is_some(),
                etag: found.map(|part| part.etag.clone()).unwrap_or_default(),
            }
        });
        Ok(parts.collect())
    }

    /// An upload of the caller that still takes parts, with the store's name of it.
    pub(super) async fn pending_in_parts(&self, caller: UserId, id: MediaId) -> Result<(Media, String), Error> {
        let media = self.owned(caller, id).await?;
        if media.is_expired_at(self.clock.now()) {
            return Err(Error::Expired);
        }
        match &media.upload_id {
            Some(upload_id) if media.state == State::Pending => {
                let upload_id = upload_id.clone();
                Ok((media, upload_id))
            }
            _ => Err(Error::NotInParts),
        }
    }
}
