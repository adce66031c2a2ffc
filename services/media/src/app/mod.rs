//! What the service does, one use case a file.

mod abort_upload;
mod collect_garbage;
mod complete_upload;
mod count_jobs;
mod create_upload;
mod describe_attachments;
mod expire_uploads;
mod follow_messages;
mod get_media;
mod get_media_url;
mod list_upload_parts;
mod process_upload;
mod set_avatar;
mod stream_upload;

pub use complete_upload::CompleteUpload;
pub use create_upload::{CreateUpload, CreatedUpload, Delivery};
pub use get_media_url::MediaUrl;
pub use list_upload_parts::UploadPart;
pub use process_upload::CLAIM_TTL;
pub use stream_upload::FinishStream;

use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{Clock, Entropy, MediaId, UserId};
use godwit_pg::Pool;
use godwit_rpc::AccessChecks;
use tokio::sync::Notify;

use crate::clients::Chats;
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
    /// Who is a member of which chat.
    pub chats: Chats,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
    /// What one user may upload.
    pub quota: Quota,
    /// How long an upload may stay incomplete.
    pub upload_ttl: Duration,
    /// How long an upload is kept that nothing refers to.
    pub unused_ttl: Duration,
    /// How long the call that completes an upload waits for the result.
    pub complete_wait: Duration,
    /// There is something to look at.
    pub uploaded: Notify,
    /// Something was looked at.
    pub processed: Notify,
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
