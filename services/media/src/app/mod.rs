//! What the service does, one use case a file.

mod complete_upload;
mod create_upload;
mod describe_attachments;
mod expire_uploads;
mod get_media;
mod get_media_url;
mod set_avatar;

pub use create_upload::{CreateUpload, CreatedUpload};
pub use get_media_url::MediaUrl;

use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{Clock, Entropy, MediaId, UserId};
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;

use crate::domain::{Media, Quota};
use crate::error::Error;
use crate::object_store::ObjectStore;
use crate::store;

/// What every use case works with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// Where the bytes are.
    pub objects: Arc<ObjectStore>,
    /// Who may see whose avatar.
    pub access: AccessChecks,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
    /// What one user may have in flight.
    pub quota: Quota,
    /// How long an upload may stay incomplete.
    pub upload_ttl: Duration,
}

impl App {
    /// The record of an upload of `caller`. One of another user does not exist for them.
    async fn owned(&self, caller: UserId, id: MediaId) -> Result<Media, Error> {
        self.find(id).await?.filter(|media| media.is_of(caller)).ok_or(Error::NotFound)
    }

    async fn find(&self, id: MediaId) -> Result<Option<Media>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::find(&mut conn, id).await?)
    }
}
