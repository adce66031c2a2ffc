use std::sync::Arc;

use godwit_contract::presence::v1 as proto;
use godwit_contract::presence::v1::presence_internal_service_server::PresenceInternalService;
use godwit_kernel::{DeviceId, UserId};
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::{Intent, REPORT_DEVICES_MAX, REPORT_USERS_MAX, Report};

/// `godwit.presence.v1.PresenceInternalService`.
pub struct PresenceInternalGrpc {
    app: Arc<App>,
}

impl PresenceInternalGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl PresenceInternalService for PresenceInternalGrpc {
    async fn report_node(
        &self,
        request: Request<proto::ReportNodeRequest>,
    ) -> Result<Response<proto::ReportNodeResponse>, Status> {
        let report = decode(request.get_ref()).map_err(to_status)?;
        let lease = self.app.report_node(report).await.map_err(to_status)?;
        Ok(Response::new(proto::ReportNodeResponse {
            lease_ms: u32::try_from(lease.report_within.as_millis()).unwrap_or(u32::MAX),
            resend_all: lease.resend_all,
        }))
    }
}

fn decode(request: &proto::ReportNodeRequest) -> Result<Report, InvalidField> {
    if request.foreground.len() > REPORT_USERS_MAX {
        return Err(InvalidField::new("foreground", format!("names more than {REPORT_USERS_MAX} users")));
    }
    Ok(Report {
        node_id: parse_id("node_id", &request.node_id)?,
        joined: decode_users("joined_user_ids", &request.joined_user_ids)?,
        away: decode_users("away_user_ids", &request.away_user_ids)?,
        left: decode_users("left_user_ids", &request.left_user_ids)?,
        foreground: request.foreground.iter().map(decode_foreground).collect::<Result<_, _>>()?,
        intent: if request.leaving { Intent::Leave } else { Intent::Stay },
    })
}

fn decode_foreground(devices: &proto::ForegroundDevices) -> Result<(UserId, Vec<DeviceId>), InvalidField> {
    if devices.device_ids.len() > REPORT_DEVICES_MAX {
        let violation = format!("names more than {REPORT_DEVICES_MAX} devices");
        return Err(InvalidField::new("foreground.device_ids", violation));
    }
    let ids = devices.device_ids.iter().map(|id| parse_id("foreground.device_ids", id));
    Ok((parse_id("foreground.user_id", &devices.user_id)?, ids.collect::<Result<_, _>>()?))
}

fn decode_users(field: &'static str, ids: &[String]) -> Result<Vec<UserId>, InvalidField> {
    if ids.len() > REPORT_USERS_MAX {
        return Err(InvalidField::new(field, format!("names more than {REPORT_USERS_MAX} users")));
    }
    ids.iter().map(|id| parse_id(field, id)).collect()
}
