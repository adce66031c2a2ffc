use std::sync::Arc;

use godwit_contract::presence::v1 as proto;
use godwit_contract::presence::v1::foreground_internal_service_server::ForegroundInternalService;
use godwit_kernel::limits::BATCH_IDS_MAX;
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;

/// `godwit.presence.v1.ForegroundInternalService`.
pub struct ForegroundGrpc {
    app: Arc<App>,
}

impl ForegroundGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl ForegroundInternalService for ForegroundGrpc {
    async fn list_foreground_devices(
        &self,
        request: Request<proto::ListForegroundDevicesRequest>,
    ) -> Result<Response<proto::ListForegroundDevicesResponse>, Status> {
        let ids = &request.get_ref().user_ids;
        if ids.len() > BATCH_IDS_MAX {
            let violation = format!("names more than {BATCH_IDS_MAX} users");
            return Err(to_status(InvalidField::new("user_ids", violation)));
        }
        let users = ids.iter().map(|id| parse_id("user_ids", id)).collect::<Result<Vec<_>, _>>().map_err(to_status)?;
        let devices = self.app.list_foreground_devices(&users).await.map_err(to_status)?;
        let device_ids = devices.iter().map(ToString::to_string).collect();
        Ok(Response::new(proto::ListForegroundDevicesResponse { device_ids }))
    }
}
