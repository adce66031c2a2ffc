use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::film::{Cinema, film};
use super::sound::sound;
use super::{Clamd, Error, Finding, Scratch, Tools, fetch, picture, sniff};
use crate::domain::{
    Accepted, ContentType, Details, Kind, Media, Object, Rejection, Scan, ThumbnailSize, Verdict, part_count, part_size,
};
use crate::object_store::{ObjectStore, Part};

/// Looks at uploads.
pub struct Processor {
    /// Where the bytes are.
    pub objects: Arc<ObjectStore>,
    /// Looks for malware; nobody does when it is absent.
    pub clamd: Option<Clamd>,
    /// For films and sound.
    pub tools: Tools,
    /// The most pixels of a picture or frame.
    pub max_pixels: u64,
    /// With room for as many uploads as are looked at at once, twice over.
    pub scratch: Scratch,
    /// Pictures decoded at once: each takes memory for all its pixels.
    pub decoding: Semaphore,
}

/// What was made of an upload, in the folder of the job or in memory.
pub(super) struct Made {
    /// What the bytes are.
    pub content_type: ContentType,
    /// What is in it.
    pub details: Details,
    /// Small pictures, as WebP.
    pub thumbnails: Vec<(ThumbnailSize, Vec<u8>)>,
    /// There is a copy without metadata in the file [`Made::CLEAN`].
    pub is_copied: bool,
}

impl Made {
    /// The name of the copy in the folder of the job.
    pub const CLEAN: &'static str = "clean";
}

impl Processor {
    /// Makes the object of an upload of its parts, if it came so. Again: nothing.
    ///
    /// # Errors
    /// [`Rejection::Parts`] when they are not there; the object store's.
    pub async fn assemble(&self, media: &Media, part_etags: &[String]) -> Result<(), Error> {
        let Some(upload_id) = &media.upload_id else { return Ok(()) };
        let key = media.object_key();
        if self.objects.head(&key).await?.is_some() {
            return Ok(());
        }
        // Looked at first: s3s ends an upload that lacks a part with what looks like an outage, and cannot be asked again.
        let there = self.objects.list_parts(&key, upload_id).await?;
        if is_whole(&there, media.size_bytes) && self.objects.complete_multipart(&key, upload_id, part_etags).await? {
            return Ok(());
        }
        // The store knows an upload no more that it has completed: by a try whose answer was lost.
        if self.objects.head(&key).await?.is_some() {
            return Ok(());
        }
        self.objects.abort_multipart(&key, upload_id).await?;
        Err(Rejection::Parts.into())
    }

    /// Looks at an upload and keeps what is made of it beside it.
    ///
    /// # Errors
    /// When it came to no result; a rejection is one.
    #[tracing::instrument(name = "media.look_at", skip_all, fields(media.id = %media.id, media.kind = media.kind.as_str()))]
    pub async fn look_at(&self, media: &Media) -> Result<Verdict, Error> {
        let folder = self.scratch.job().map_err(Error::Disk)?;
        match self.steps(media, folder.path()).await {
            Ok(accepted) => Ok(Verdict::Accepted(Box::new(accepted))),
            Err(Error::Rejected(rejection)) => Ok(Verdict::Rejected(rejection)),
            Err(error) => Err(error),
        }
    }

    async fn steps(&self, media: &Media, folder: &Path) -> Result<Accepted, Error> {
        let file = folder.join("upload");
        let fetched = fetch::fetch(&self.objects, &media.object_key(), media.size_bytes, &file).await?;
        if media.sha256.is_some_and(|announced| announced != fetched.sha256) {
            return Err(Rejection::Checksum.into());
        }
        let found = sniff::sniff(&file, media.kind, &media.content_type).await?;
        let scan = self.scan(&file).await?;
        let cinema = Cinema { tools: &self.tools, folder, max_pixels: self.max_pixels };
        let made = match media.kind {
            Kind::Image => self.picture(&file, folder, found).await?,
            Kind::Video | Kind::VideoNote => film(&cinema, &file, media.kind, found).await?,
            Kind::Voice | Kind::Audio => sound(&cinema, &file, media.kind, &found).await?,
            Kind::Document => {
                Made { content_type: found, details: Details::default(), thumbnails: Vec::new(), is_copied: false }
            }
        };
        self.keep(media, folder, made, scan).await
    }

    async fn scan(&self, file: &Path) -> Result<Scan, Error> {
        let Some(clamd) = &self.clamd else { return Ok(Scan::Unscanned) };
        let finding = clamd.scan(file).await?;
        let outcome = match &finding {
            Finding::Clean => "clean",
            Finding::Infected(_) => "infected",
            Finding::TooLarge => "too_large",
        };
        metrics::counter!("godwit_media_scans_total", "outcome" => outcome).increment(1);
        match finding {
            Finding::Clean => Ok(Scan::Clean),
            Finding::TooLarge => Ok(Scan::Unscanned),
            Finding::Infected(signature) => {
                tracing::warn!(signature, "an upload is infected");
                Err(Rejection::Malware.into())
            }
        }
    }

    async fn picture(&self, file: &Path, folder: &Path, found: ContentType) -> Result<Made, Error> {
        let bytes = tokio::fs::read(file).await.map_err(Error::Disk)?;
        let (essence, max_pixels) = (found.essence().to_owned(), self.max_pixels);
        let cleaned = {
            // It is never closed.
            let _permit = self.decoding.acquire().await;
            tokio::task::spawn_blocking(move || picture::clean(bytes, &essence, max_pixels)).await??
        };
        tokio::fs::write(folder.join(Made::CLEAN), &cleaned.bytes).await.map_err(Error::Disk)?;
        let details = Details {
            width: Some(cleaned.look.width),
            height: Some(cleaned.look.height),
            blurhash: Some(cleaned.look.blurhash),
            ..Details::default()
        };
        Ok(Made { content_type: found, details, thumbnails: cleaned.look.thumbnails, is_copied: true })
    }

    /// Puts what was made into the object store.
    async fn keep(&self, media: &Media, folder: &Path, made: Made, scan: Scan) -> Result<Accepted, Error> {
        let Made { content_type, mut details, thumbnails, is_copied } = made;
        let mut size_bytes = media.size_bytes;
        details.has_thumbnails = !thumbnails.is_empty();
        for (size, bytes) in thumbnails {
            self.objects.put_bytes(&Object::Thumbnail(size).key(media.id), "image/webp", bytes).await?;
        }
        if is_copied {
            let clean = folder.join(Made::CLEAN);
            size_bytes = tokio::fs::metadata(&clean).await.map_err(Error::Disk)?.len();
            let file = tokio::fs::File::open(&clean).await.map_err(Error::Disk)?;
            let key = Object::CleanCopy.key(media.id);
            self.objects.put_file(&key, content_type.as_str(), file, size_bytes).await?;
            details.has_clean_copy = true;
        }
        Ok(Accepted { content_type, size_bytes, scan, details })
    }
}

/// Whether the store has every part of an upload of so many bytes, and nothing else.
fn is_whole(there: &[Part], size_bytes: u64) -> bool {
    let numbers = 1..=u16::try_from(part_count(size_bytes)).unwrap_or(u16::MAX);
    let announced = numbers.map(|number| (number, part_size(size_bytes, number)));
    there.iter().map(|part| (part.number, part.size_bytes)).eq(announced)
}
