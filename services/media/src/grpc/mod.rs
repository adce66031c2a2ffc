//! The contract: decode, call the use case, encode.

mod encode;
mod media_internal;
mod media_stream_internal;

pub use media_internal::MediaInternalGrpc;
pub use media_stream_internal::MediaStreamInternalGrpc;

use std::sync::Arc;

use godwit_contract::media::v1 as proto;
use godwit_contract::media::v1::media_service_server::MediaService;
use godwit_rpc::{Caller, InvalidField, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status};

use crate::app::{App, CompleteUpload, CreateUpload, Delivery, UploadPart};
use crate::domain::{self, ADDRESS_TTL, ContentType, FileName, PART_BYTES, Violation};
use crate::error::Error;

/// `godwit.media.v1.MediaService`.
pub struct MediaGrpc {
    app: Arc<App>,
}

impl MediaGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl MediaService for MediaGrpc {
    async fn create_upload(
        &self,
        request: Request<proto::CreateUploadRequest>,
    ) -> Result<Response<proto::CreateUploadResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let content_type = ContentType::parse(&request.content_type).map_err(|error| invalid("content_type", error))?;
        let kind = encode::read_kind(request.kind, &content_type);
        let new = CreateUpload {
            owner_id: caller.user_id,
            file_name: FileName::parse(request.file_name).map_err(|error| invalid("file_name", error))?,
            kind: kind.ok_or_else(|| invalid("kind", UNKNOWN))?,
            content_type,
            size_bytes: domain::parse_size(request.size_bytes).map_err(|error| invalid("size_bytes", error))?,
            sha256: domain::parse_sha256(&request.sha256).map_err(|error| invalid("sha256", error))?,
            delivery: if request.in_parts { Delivery::InParts } else { Delivery::Whole },
        };
        let created = self.app.create_upload(new).await.map_err(to_status)?;
        let (url, headers) = created.put.map(|put| (String::from(put.url), put.headers)).unwrap_or_default();
        Ok(Response::new(proto::CreateUploadResponse {
            media: Some(encode::media(created.media)),
            upload_url: url,
            upload_headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            expires_at: Some(timestamp(created.address_expires_at)),
            part_count: created.part_count,
            part_size_bytes: if created.part_count > 0 { PART_BYTES } else { 0 },
        }))
    }

    async fn list_upload_parts(
        &self,
        request: Request<proto::ListUploadPartsRequest>,
    ) -> Result<Response<proto::ListUploadPartsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let proto::ListUploadPartsRequest { media_id, from, limit } = request.get_ref();
        let id = parse_id("media_id", media_id).map_err(to_status)?;
        let limit = if *limit == 0 { u32::MAX } else { *limit };
        let expires_at = self.app.clock.now() + ADDRESS_TTL;
        let parts = self.app.list_upload_parts(caller.user_id, id, *from, limit).await.map_err(to_status)?;
        Ok(Response::new(proto::ListUploadPartsResponse {
            parts: parts.into_iter().map(part).collect(),
            expires_at: Some(timestamp(expires_at)),
        }))
    }

    async fn complete_upload(
        &self,
        request: Request<proto::CompleteUploadRequest>,
    ) -> Result<Response<proto::CompleteUploadResponse>, Status> {
        let caller = Caller::of(&request)?.user_id;
        let proto::CompleteUploadRequest { media_id, part_etags } = request.into_inner();
        let id = parse_id("media_id", &media_id).map_err(to_status)?;
        let request = CompleteUpload { caller, id, part_etags };
        let media = self.app.complete_upload(request).await.map_err(to_status)?;
        Ok(Response::new(proto::CompleteUploadResponse { media: Some(encode::media(media)) }))
    }

    async fn abort_upload(
        &self,
        request: Request<proto::AbortUploadRequest>,
    ) -> Result<Response<proto::AbortUploadResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("media_id", &request.get_ref().media_id).map_err(to_status)?;
        self.app.abort_upload(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(proto::AbortUploadResponse {}))
    }

    async fn get_media(
        &self,
        request: Request<proto::GetMediaRequest>,
    ) -> Result<Response<proto::GetMediaResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("media_id", &request.get_ref().media_id).map_err(to_status)?;
        let media = self.app.get_media(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(proto::GetMediaResponse { media: Some(encode::media(media)) }))
    }

    async fn get_media_url(
        &self,
        request: Request<proto::GetMediaUrlRequest>,
    ) -> Result<Response<proto::GetMediaUrlResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("media_id", &request.get_ref().media_id).map_err(to_status)?;
        let address = self.app.get_media_url(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(proto::GetMediaUrlResponse {
            url: address.url.into(),
            expires_at: Some(timestamp(address.expires_at)),
        }))
    }

    async fn get_thumbnail_url(
        &self,
        request: Request<proto::GetThumbnailUrlRequest>,
    ) -> Result<Response<proto::GetThumbnailUrlResponse>, Status> {
        let caller = Caller::of(&request)?;
        let proto::GetThumbnailUrlRequest { media_id, size } = request.get_ref();
        let id = parse_id("media_id", media_id).map_err(to_status)?;
        let size = encode::read_thumbnail_size(*size).ok_or_else(|| invalid("size", UNKNOWN))?;
        let address = self.app.get_thumbnail_url(caller.user_id, id, size).await.map_err(to_status)?;
        Ok(Response::new(proto::GetThumbnailUrlResponse {
            url: address.url.into(),
            expires_at: Some(timestamp(address.expires_at)),
        }))
    }
}

const UNKNOWN: Violation = Violation("is not known");

fn invalid(field: &'static str, violation: Violation) -> Status {
    to_status(Error::Invalid(InvalidField::new(field, violation.0)))
}

fn part(part: UploadPart) -> proto::MediaUploadPart {
    proto::MediaUploadPart {
        number: part.number.into(),
        size_bytes: part.size_bytes,
        url: part.url.into(),
        is_uploaded: part.is_uploaded,
        etag: part.etag,
    }
}
