//! The contract: decode, call the use case, encode.

use std::sync::Arc;

use godwit_contract::push::v1 as proto;
use godwit_contract::push::v1::push_service_server::PushService;
use godwit_rpc::{Caller, to_status};
use tonic::{Request, Response, Status};

use crate::app::{App, RegisterWebPush};

/// `godwit.push.v1.PushService`.
pub struct PushGrpc {
    app: Arc<App>,
}

impl PushGrpc {
    /// Over the use cases of `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl PushService for PushGrpc {
    async fn register_web_push(
        &self,
        request: Request<proto::RegisterWebPushRequest>,
    ) -> Result<Response<proto::RegisterWebPushResponse>, Status> {
        let caller = Caller::of(&request)?;
        let proto::RegisterWebPushRequest { endpoint, p256dh, auth } = request.into_inner();
        let asked = RegisterWebPush { caller, endpoint, p256dh, auth };
        self.app.register_web_push(asked).await.map_err(to_status)?;
        Ok(Response::new(proto::RegisterWebPushResponse {}))
    }

    async fn unregister_web_push(
        &self,
        request: Request<proto::UnregisterWebPushRequest>,
    ) -> Result<Response<proto::UnregisterWebPushResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.app.unregister_web_push(caller.device_id).await.map_err(to_status)?;
        Ok(Response::new(proto::UnregisterWebPushResponse {}))
    }

    async fn get_vapid_key(
        &self,
        _request: Request<proto::GetVapidKeyRequest>,
    ) -> Result<Response<proto::GetVapidKeyResponse>, Status> {
        let key = self.app.vapid_key().await.map_err(to_status)?;
        Ok(Response::new(proto::GetVapidKeyResponse { public_key: key.public_key() }))
    }
}
