use std::sync::Arc;

use godwit_contract::media::v1 as proto;
use godwit_contract::media::v1::media_internal_service_server::MediaInternalService;
use godwit_rpc::{parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;

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
        _: Request<godwit_contract::media::v1::DescribeAttachmentsRequest>,
    ) -> Result<Response<godwit_contract::media::v1::DescribeAttachmentsResponse>, Status> {
        Err(Status::unimplemented("MediaInternalService.DescribeAttachments"))
    }
}
