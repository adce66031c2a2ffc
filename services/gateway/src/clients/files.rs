//! Files that come through the gateway: passed on to media a part at a time.

use std::time::Duration;

use bytes::Bytes;
use godwit_contract::media::v1::media_stream_internal_service_client::MediaStreamInternalServiceClient;
use godwit_contract::media::v1::{
    AbortStreamRequest, BeginStreamRequest, FinishStreamRequest, Media, PutStreamPartRequest,
};
use godwit_kernel::UserId;
use godwit_rpc::{Channel, Target, retry_idempotent};
use tonic::{Request, Status};

use super::Services;

/// Of a part: media has the object store take it before it answers.
const PART_TIMEOUT: Duration = Duration::from_secs(10);
/// Of the end: media waits a moment for what comes of the file.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);

/// A file on its way.
#[derive(Clone)]
pub struct FileStream {
    client: MediaStreamInternalServiceClient<Channel>,
    user_id: String,
    media_id: String,
}

/// What was passed on of a file, all of it.
pub struct Passed {
    /// How many bytes.
    pub size_bytes: u64,
    /// Their checksum.
    pub sha256: [u8; 32],
    /// The ETags of the parts in their order.
    pub part_etags: Vec<String>,
}

impl Services {
    /// Begins a file of at most `max_bytes`.
    pub async fn begin_file(&self, user: UserId, begin: BeginStreamRequest) -> Result<FileStream, Status> {
        let mut client = MediaStreamInternalServiceClient::new(self.directory.channel(Target::Media));
        let user_id = user.to_string();
        let begun = client.begin_stream(BeginStreamRequest { user_id: user_id.clone(), ..begin }).await?;
        Ok(FileStream { client, user_id, media_id: begun.into_inner().media_id })
    }
}

impl FileStream {
    /// Passes one part on and returns its ETag.
    pub async fn put(&self, number: u32, data: Bytes) -> Result<String, Status> {
        let (user_id, media_id) = (self.user_id.clone(), self.media_id.clone());
        let part = PutStreamPartRequest { user_id, media_id, number, data };
        let answer = retry_idempotent(|| {
            let (mut client, mut request) = (self.client.clone(), Request::new(part.clone()));
            request.set_timeout(PART_TIMEOUT);
            async move { client.put_stream_part(request).await }
        });
        Ok(answer.await?.into_inner().etag)
    }

    /// Says that all parts are there.
    pub async fn finish(&self, passed: Passed) -> Result<Media, Status> {
        let (user_id, media_id) = (self.user_id.clone(), self.media_id.clone());
        let Passed { size_bytes, sha256, part_etags } = passed;
        let sha256 = Bytes::copy_from_slice(&sha256);
        let finish = FinishStreamRequest { user_id, media_id, size_bytes, part_etags, sha256 };
        let answer = retry_idempotent(|| {
            let (mut client, mut request) = (self.client.clone(), Request::new(finish.clone()));
            request.set_timeout(FINISH_TIMEOUT);
            async move { client.finish_stream(request).await }
        });
        answer.await?.into_inner().media.ok_or_else(|| Status::internal("an answer without its media"))
    }

    /// Has it removed.
    pub async fn abort(&self) -> Result<(), Status> {
        let (user_id, media_id) = (self.user_id.clone(), self.media_id.clone());
        let answer = retry_idempotent(|| {
            let mut client = self.client.clone();
            let request = AbortStreamRequest { user_id: user_id.clone(), media_id: media_id.clone() };
            async move { client.abort_stream(request).await }
        });
        answer.await.map(drop)
    }
}
