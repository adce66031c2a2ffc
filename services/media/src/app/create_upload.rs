use std::time::Duration;

use godwit_kernel::{MediaId, UserId};
use godwit_rpc::InvalidField;
use time::OffsetDateTime;

use super::App;
use crate::domain::{ADDRESS_TTL, Audience, ContentType, Details, FileName, Kind, Media, Scan, State, part_count};
use crate::error::Error;
use crate::object_store::{self, OWN_SIGNATURE_TTL, PresignedPut};
use crate::store;

/// The object store's clock may be so far from this process's when it looks whether a signature is still good.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// What a client announces.
pub struct CreateUpload {
    /// Who uploads.
    pub owner_id: UserId,
    /// The file's name.
    pub file_name: FileName,
    /// What the bytes are.
    pub content_type: ContentType,
    /// What it is to people.
    pub kind: Kind,
    /// How many bytes there are; already within the limits of all uploads.
    pub size_bytes: u64,
    /// The checksum of the bytes, if the client knows it.
    pub sha256: Option<[u8; 32]>,
    /// How the bytes come.
    pub delivery: Delivery,
}

/// How the bytes come to the object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// All at once, to one address.
    Whole,
    /// In parts of 8 MiB, each to an address of its own or through this service.
    InParts,
}

/// Where the client may put what it announced.
pub struct CreatedUpload {
    /// The record.
    pub media: Media,
    /// The address, when the bytes come all at once.
    pub put: Option<PresignedPut>,
    /// When the address stops to work.
    pub address_expires_at: OffsetDateTime,
    /// How many parts there are, when the bytes come so.
    pub part_count: u32,
}

impl App {
    /// Begins an upload: records what is announced and gives an address to put it to. Works while the object store
    /// is down, unless the bytes come in parts; the upload then fails there.
    ///
    /// # Errors
    /// When it is larger than its kind may be; [`Error::QuotaExceeded`]; those of the stores.
    #[tracing::instrument(name = "media.create_upload", skip_all, err(level = "debug"))]
    pub async fn create_upload(&self, new: CreateUpload) -> Result<CreatedUpload, Error> {
        if new.size_bytes > new.kind.max_bytes() {
            return Err(InvalidField::new("size_bytes", "is more than a file of this kind may have").into());
        }
        let now = self.clock.now();
        let mut media = Media {
            id: MediaId::generate(self.clock.as_ref(), self.entropy.as_ref()),
            owner_id: new.owner_id,
            state: State::Pending,
            kind: new.kind,
            file_name: new.file_name,
            content_type: new.content_type,
            size_bytes: new.size_bytes,
            sha256: new.sha256,
            upload_id: None,
            created_at: now,
            expires_at: now + self.upload_ttl,
            audience: Audience::Owner,
            scan: Scan::Unscanned,
            details: Details::default(),
        };
        self.record(&media).await?;
        if new.delivery == Delivery::InParts {
            media.upload_id = Some(self.begin_parts(&media).await?);
        }
        metrics::counter!("godwit_media_uploads_total", "outcome" => "created").increment(1);
        let put = (new.delivery == Delivery::Whole).then(|| {
            let key = media.object_key();
            self.objects.presign_put(&key, media.content_type.as_str(), media.size_bytes, ADDRESS_TTL)
        });
        let part_count = if put.is_some() { 0 } else { part_count(media.size_bytes) };
        Ok(CreatedUpload { media, put, address_expires_at: now + ADDRESS_TTL, part_count })
    }

    async fn record(&self, media: &Media) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        let inserted = store::insert_pending(&mut conn, media, self.quota).await?;
        inserted.map_err(|shortage| {
            metrics::counter!("godwit_media_uploads_total", "outcome" => "quota_exceeded").increment(1);
            Error::QuotaExceeded(shortage)
        })
    }

    /// Has the object store begin what is recorded already. Should this process end before the store's answer is noted,
    /// the record is there still, and who removes it has the store tell what was begun for its key.
    async fn begin_parts(&self, media: &Media) -> Result<String, Error> {
        let begun = self.objects.create_multipart(&media.object_key(), media.content_type.as_str()).await;
        let upload_id = match begun {
            Ok(upload_id) => upload_id,
            Err(error) => {
                self.take_back(media, &error).await?;
                return Err(error.into());
            }
        };
        let mut conn = self.pool.get().await?;
        if store::note_upload_id(&mut conn, media.id, &upload_id).await? {
            return Ok(upload_id);
        }
        drop(conn);
        // The store took so long that the record was given up.
        self.objects.abort_multipart(&media.object_key(), &upload_id).await?;
        Err(Error::Expired)
    }

    /// Forgets an upload that the object store did not begin. One that it may have begun is left to the worker, for when
    /// the request can have no effect any more.
    async fn take_back(&self, media: &Media, error: &object_store::Error) -> Result<(), Error> {
        let mut conn = self.pool.get().await?;
        if error.is_surely_undone() {
            store::forget_unbegun(&mut conn, media.id).await?;
        } else {
            store::give_up(&mut conn, media.id, self.clock.now() + OWN_SIGNATURE_TTL + CLOCK_SLACK).await?;
        }
        Ok(())
    }
}
