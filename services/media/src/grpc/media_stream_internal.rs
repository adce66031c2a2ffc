use std::sync::Arc;

use godwit_contract::media::v1 as proto;
use godwit_contract::media::v1::media_stream_internal_service_server::MediaStreamInternalService;
use godwit_rpc::{parse_id, to_status};
use tonic::{Request, Response, Status};

use super::{UNKNOWN, encode, invalid};
use crate::app::{App, CreateUpload, Delivery, FinishStream};
use crate::domain::{self, ContentType, FileName};

/// `godwit.media.v1.MediaStreamInternalService`.
pub struct MediaStreamInternalGrpc {
    app: Arc<App>,
}

impl MediaStreamInternalGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl MediaStreamInternalService for MediaStreamInternalGrpc {
    async fn begin_stream(
        &self,
        request: Request<proto::BeginStreamRequest>,
    ) -> Result<Response<proto::BeginStreamResponse>, Status> {
        let proto::BeginStreamRequest { user_id, file_name, content_type, kind, max_bytes } = request.into_inner();
        let content_type = ContentType::parse(&content_type).map_err(|error| invalid("content_type", error))?;
        let kind = encode::read_kind(kind, &content_type).ok_or_else(|| invalid("kind", UNKNOWN))?;
        let new = CreateUpload {
            owner_id: parse_id("user_id", &user_id).map_err(to_status)?,
            file_name: FileName::parse(file_name).map_err(|error| invalid("file_name", error))?,
            kind,
            content_type,
            size_bytes: domain::parse_size(max_bytes).map_err(|error| invalid("max_bytes", error))?,
            // It is known when all bytes have come.
            sha256: None,
            delivery: Delivery::InParts,
        };
        let created = self.app.create_upload(new).await.map_err(to_status)?;
        Ok(Response::new(proto::BeginStreamResponse { media_id: created.media.id.to_string() }))
    }

    async fn put_stream_part(
        &self,
        request: Request<proto::PutStreamPartRequest>,
    ) -> Result<Response<proto::PutStreamPartResponse>, Status> {
        let proto::PutStreamPartRequest { user_id, media_id, number, data } = request.into_inner();
        let caller = parse_id("user_id", &user_id).map_err(to_status)?;
        let id = parse_id("media_id", &media_id).map_err(to_status)?;
        let etag = self.app.put_part(caller, id, number, data).await.map_err(to_status)?;
        Ok(Response::new(proto::PutStreamPartResponse { etag }))
    }

    async fn finish_stream(
        &self,
        request: Request<proto::FinishStreamRequest>,
    ) -> Result<Response<proto::FinishStreamResponse>, Status> {
        let proto::FinishStreamRequest { user_id, media_id, size_bytes, part_etags, sha256 } = request.into_inner();
        let request = FinishStream {
            caller: parse_id("user_id", &user_id).map_err(to_status)?,
            id: parse_id("media_id", &media_id).map_err(to_status)?,
            size_bytes,
            sha256: domain::parse_sha256(&sha256).map_err(|error| invalid("sha256", error))?,
            part_etags,
        };
        let media = self.app.finish_stream(request).await.map_err(to_status)?;
        Ok(Response::new(proto::FinishStreamResponse { media: Some(encode::media(media)) }))
    }

    async fn abort_stream(
        &self,
        request: Request<proto::AbortStreamRequest>,
    ) -> Result<Response<proto::AbortStreamResponse>, Status> {
        let proto::AbortStreamRequest { user_id, media_id } = request.get_ref();
        let caller = parse_id("user_id", user_id).map_err(to_status)?;
        let id = parse_id("media_id", media_id).map_err(to_status)?;
        self.app.abort_upload(caller, id).await.map_err(to_status)?;
        Ok(Response::new(proto::AbortStreamResponse {}))
    }
}
