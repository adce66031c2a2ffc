//! The contract: decode, call the use case, encode.

mod media_internal;

pub use media_internal::MediaInternalGrpc;

use std::sync::Arc;

use godwit_contract::media::v1 as proto;
use godwit_contract::media::v1::media_service_server::MediaService;
use godwit_rpc::{Caller, InvalidField, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status};

use crate::app::{App, CreateUpload};
use crate::domain::{self, ContentType, FileName, State, Violation};
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
        let new = CreateUpload {
            owner_id: caller.user_id,
            file_name: FileName::parse(request.file_name).map_err(|error| invalid("file_name", error))?,
            content_type: ContentType::parse(&request.content_type).map_err(|error| invalid("content_type", error))?,
            size_bytes: domain::parse_size(request.size_bytes).map_err(|error| invalid("size_bytes", error))?,
        };
        let created = self.app.create_upload(new).await.map_err(to_status)?;
        Ok(Response::new(proto::CreateUploadResponse {
            media: Some(encode(created.media)),
            upload_url: created.put.url.into(),
            upload_headers: created.put.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            expires_at: Some(timestamp(created.address_expires_at)),
        }))
    }

    async fn complete_upload(
        &self,
        request: Request<proto::CompleteUploadRequest>,
    ) -> Result<Response<proto::CompleteUploadResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("media_id", &request.get_ref().media_id).map_err(to_status)?;
        let media = self.app.complete_upload(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(proto::CompleteUploadResponse { media: Some(encode(media)) }))
    }

    async fn get_media(
        &self,
        request: Request<proto::GetMediaRequest>,
    ) -> Result<Response<proto::GetMediaResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("media_id", &request.get_ref().media_id).map_err(to_status)?;
        let media = self.app.get_media(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(proto::GetMediaResponse { media: Some(encode(media)) }))
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
}

fn invalid(field: &'static str, violation: Violation) -> Status {
    to_status(Error::Invalid(InvalidField::new(field, violation.0)))
}

fn encode(media: domain::Media) -> proto::Media {
    let state = match media.state {
        State::Pending | State::Expired => proto::MediaState::Pending,
        State::Ready => proto::MediaState::Ready,
    };
    proto::Media {
        id: media.id.to_string(),
        state: state.into(),
        file_name: media.file_name.as_str().to_owned(),
        content_type: media.content_type.as_str().to_owned(),
        size_bytes: media.size_bytes,
        created_at: Some(timestamp(media.created_at)),
    }
}
