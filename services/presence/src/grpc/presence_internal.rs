use std::sync::Arc;

use godwit_contract::presence::v1 as proto;
use godwit_contract::presence::v1::presence_internal_service_server::PresenceInternalService;
use godwit_kernel::UserId;
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::{Intent, REPORT_USERS_MAX, Report};

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
    Ok(Report {
        node_id: parse_id("node_id", &request.node_id)?,
        joined: decode_users("joined_user_ids", &request.joined_user_ids)?,
        away: decode_users("away_user_ids", &request.away_user_ids)?,
        left: decode_users("left_user_ids", &request.left_user_ids)?,
        intent: if request.leaving { Intent::Leave } else { Intent::Stay },
    })
}

fn decode_users(field: &'static str, ids: &[String]) -> Result<Vec<UserId>, InvalidField> {
    if ids.len() > REPORT_USERS_MAX {
        return Err(InvalidField::new(field, format!("names more than {REPORT_USERS_MAX} users")));
    }
    ids.iter().map(|id| parse_id(field, id)).collect()
}
