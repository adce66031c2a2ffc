use godwit_kernel::{MediaId, UserId};
use time::OffsetDateTime;

use super::App;
use crate::domain::{ADDRESS_TTL, Audience, ContentType, FileName, Media, State};
use crate::error::Error;
use crate::object_store::PresignedPut;
use crate::store;

/// What a client announces.
pub struct CreateUpload {
    /// Who uploads.
    pub owner_id: UserId,
    /// The file's name.
    pub file_name: FileName,
    /// What the bytes are.
    pub content_type: ContentType,
    /// How many there are; already within its limits.
    pub size_bytes: u64,
}

/// Where the client may put what it announced.
pub struct CreatedUpload {
    /// The record.
    pub media: Media,
    /// The address.
    pub put: PresignedPut,
    /// When the address stops to work.
    pub address_expires_at: OffsetDateTime,
}

impl App {
    /// Begins an upload: records what is announced and gives an address to put it to. Works while the object store
    /// is down; the upload then fails there.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`], or the database's.
    #[tracing::instrument(name = "media.create_upload", skip_all, err(level = "debug"))]
    pub async fn create_upload(&self, new: CreateUpload) -> Result<CreatedUpload, Error> {
        let now = self.clock.now();
        let media = Media {
            id: MediaId::generate(self.clock.as_ref(), self.entropy.as_ref()),
            owner_id: new.owner_id,
            state: State::Pending,
            file_name: new.file_name,
            content_type: new.content_type,
            size_bytes: new.size_bytes,
            created_at: now,
            expires_at: now + self.upload_ttl,
            audience: Audience::Owner,
        };
        let mut conn = self.pool.get().await?;
        if !store::insert_pending(&mut conn, &media, self.quota).await? {
            metrics::counter!("godwit_media_uploads_total", "outcome" => "quota_exceeded").increment(1);
            return Err(Error::QuotaExceeded);
        }
        drop(conn);
        metrics::counter!("godwit_media_uploads_total", "outcome" => "created").increment(1);
        let put =
            self.objects.presign_put(&media.object_key(), media.content_type.as_str(), media.size_bytes, ADDRESS_TTL);
        Ok(CreatedUpload { media, put, address_expires_at: now + ADDRESS_TTL })
    }
}
