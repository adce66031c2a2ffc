//! A media service that keeps the parts it is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use godwit_contract::media::v1::media_stream_internal_service_server::MediaStreamInternalService;
use godwit_contract::media::v1::*;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tonic::{Code, Request, Response, Status};

/// The id of the one file.
pub const MEDIA_ID: &str = "018f4a52-7d1b-7c3e-9a44-1f2e3d4c5b6a";

/// What it was asked.
#[derive(Clone)]
pub struct Files {
    pub begun: Arc<Mutex<Vec<BeginStreamRequest>>>,
    pub parts: Arc<Mutex<BTreeMap<u32, Bytes>>>,
    pub finished: Arc<Mutex<Vec<FinishStreamRequest>>>,
    pub aborted: Arc<Mutex<Vec<AbortStreamRequest>>>,
    /// A part takes one of these.
    pub room: Arc<Semaphore>,
    /// The next part is refused with this.
    pub refusal: Arc<Mutex<Option<Status>>>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            begun: Arc::default(),
            parts: Arc::default(),
            finished: Arc::default(),
            aborted: Arc::default(),
            room: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            refusal: Arc::default(),
        }
    }
}

#[tonic::async_trait]
impl MediaStreamInternalService for Files {
    async fn begin_stream(
        &self,
        request: Request<BeginStreamRequest>,
    ) -> Result<Response<BeginStreamResponse>, Status> {
        let request = request.into_inner();
        if request.file_name == "too-much" {
            return Err(Status::new(Code::ResourceExhausted, "no room"));
        }
        self.begun.lock().push(request);
        Ok(Response::new(BeginStreamResponse { media_id: MEDIA_ID.to_owned() }))
    }

    async fn put_stream_part(
        &self,
        request: Request<PutStreamPartRequest>,
    ) -> Result<Response<PutStreamPartResponse>, Status> {
        self.room.acquire().await.unwrap().forget();
        if let Some(refusal) = self.refusal.lock().take() {
            return Err(refusal);
        }
        let PutStreamPartRequest { number, data, .. } = request.into_inner();
        self.parts.lock().insert(number, data);
        Ok(Response::new(PutStreamPartResponse { etag: format!("etag-{number}") }))
    }

    async fn finish_stream(
        &self,
        request: Request<FinishStreamRequest>,
    ) -> Result<Response<FinishStreamResponse>, Status> {
        let request = request.into_inner();
        let media = Media { id: request.media_id.clone(), state: MediaState::Ready.into(), ..Default::default() };
        self.finished.lock().push(request);
        Ok(Response::new(FinishStreamResponse { media: Some(media) }))
    }

    async fn abort_stream(
        &self,
        request: Request<AbortStreamRequest>,
    ) -> Result<Response<AbortStreamResponse>, Status> {
        self.aborted.lock().push(request.into_inner());
        Ok(Response::new(AbortStreamResponse {}))
    }
}
