use std::sync::Arc;

use godwit_contract::push::v1 as proto;
use godwit_contract::push::v1::call_alert_internal_service_server::CallAlertInternalService;
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status};

use crate::app::{App, CallAlert};

/// `godwit.push.v1.CallAlertInternalService`.
pub struct CallAlertGrpc {
    app: Arc<App>,
}

impl CallAlertGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl CallAlertInternalService for CallAlertGrpc {
    async fn alert_call(
        &self,
        request: Request<proto::AlertCallRequest>,
    ) -> Result<Response<proto::AlertCallResponse>, Status> {
        let alert = decode(request.into_inner()).map_err(to_status)?;
        self.app.alert_call(&alert).await.map_err(to_status)?;
        Ok(Response::new(proto::AlertCallResponse {}))
    }
}

fn decode(request: proto::AlertCallRequest) -> Result<CallAlert, InvalidField> {
    let call = request.call.ok_or_else(|| InvalidField::new("call", "is missing"))?;
    let (call_id, callee_id) = (parse_id("call.id", &call.id)?, parse_id("call.callee_id", &call.callee_id)?);
    Ok(CallAlert { call_id, callee_id, call })
}
