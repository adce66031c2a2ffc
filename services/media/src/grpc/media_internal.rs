use std::sync::Arc;

use godwit_contract::media::v1 as proto;
use godwit_contract::media::v1::media_internal_service_server::MediaInternalService;
use godwit_contract::v1::{Attachment, AttachmentKind};
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::{Kind, Media};

/// `godwit.media.v1.MediaInternalService`.
pub struct MediaInternalGrpc {
    app: Arc<App>,
}

impl MediaInternalGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl MediaInternalService for MediaInternalGrpc {
    async fn set_avatar(
        &self,
        request: Request<proto::SetAvatarRequest>,
    ) -> Result<Response<proto::SetAvatarResponse>, Status> {
        let proto::SetAvatarRequest { user_id, media_id } = request.get_ref();
        let owner = parse_id("user_id", user_id).map_err(to_status)?;
        let new = (!media_id.is_empty()).then(|| parse_id("media_id", media_id)).transpose().map_err(to_status)?;
        self.app.set_avatar(owner, new).await.map_err(to_status)?;
        Ok(Response::new(proto::SetAvatarResponse {}))
    }

    async fn describe_attachments(
        &self,
        request: Request<proto::DescribeAttachmentsRequest>,
    ) -> Result<Response<proto::DescribeAttachmentsResponse>, Status> {
        let proto::DescribeAttachmentsRequest { user_id, media_ids } = request.get_ref();
        let owner = parse_id("user_id", user_id).map_err(to_status)?;
        let ids = media_ids.iter().map(|id| parse_id("media_ids", id)).collect::<Result<Vec<_>, InvalidField>>();
        let found = self.app.describe_attachments(owner, &ids.map_err(to_status)?).await.map_err(to_status)?;
        Ok(Response::new(proto::DescribeAttachmentsResponse { attachments: found.into_iter().map(encode).collect() }))
    }
}

fn encode(media: Media) -> Attachment {
    let details = media.details;
    Attachment {
        media_id: media.id.to_string(),
        file_name: media.file_name.as_str().to_owned(),
        content_type: media.content_type.as_str().to_owned(),
        size_bytes: media.size_bytes,
        kind: kind(media.kind).into(),
        width: details.width.unwrap_or_default(),
        height: details.height.unwrap_or_default(),
        duration_ms: details.duration_ms.unwrap_or_default(),
        blurhash: details.blurhash.unwrap_or_default(),
        waveform: details.waveform.into(),
        has_thumbnails: details.has_thumbnails,
    }
}

const fn kind(kind: Kind) -> AttachmentKind {
    match kind {
        Kind::Image => AttachmentKind::Image,
        Kind::Video => AttachmentKind::Video,
        Kind::VideoNote => AttachmentKind::VideoNote,
        Kind::Voice => AttachmentKind::Voice,
        Kind::Audio => AttachmentKind::Audio,
        Kind::Document => AttachmentKind::Document,
    }
}
