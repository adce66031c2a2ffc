//! The contract: decode, call the use case, encode.

mod call_alerts;

pub use call_alerts::CallAlertGrpc;

use std::sync::Arc;

use godwit_contract::push::v1 as proto;
use godwit_contract::push::v1::push_service_server::PushService;
use godwit_rpc::{Caller, InvalidField, to_status};
use tonic::{Request, Response, Status};

use crate::app::{App, RegisterPushToken, RegisterWebPush};
use crate::domain::{NotificationSettings, Preview, Provider, Purpose};

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

    async fn register_push_token(
        &self,
        request: Request<proto::RegisterPushTokenRequest>,
    ) -> Result<Response<proto::RegisterPushTokenResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (provider, purpose) = match request.provider() {
            proto::PushProvider::Apns => (Provider::Apns, Purpose::Alert),
            proto::PushProvider::ApnsVoip => (Provider::Apns, Purpose::Voip),
            proto::PushProvider::Fcm => (Provider::Fcm, Purpose::Alert),
            proto::PushProvider::Unspecified => {
                return Err(to_status(InvalidField::new("provider", "is not a push service")));
            }
        };
        let asked = RegisterPushToken { caller, provider, purpose, token: request.token };
        self.app.register_push_token(asked).await.map_err(to_status)?;
        Ok(Response::new(proto::RegisterPushTokenResponse {}))
    }

    async fn unregister_push_token(
        &self,
        request: Request<proto::UnregisterPushTokenRequest>,
    ) -> Result<Response<proto::UnregisterPushTokenResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.app.unregister_push_token(caller.device_id).await.map_err(to_status)?;
        Ok(Response::new(proto::UnregisterPushTokenResponse {}))
    }

    async fn get_notification_settings(
        &self,
        request: Request<proto::GetNotificationSettingsRequest>,
    ) -> Result<Response<proto::GetNotificationSettingsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let settings = self.app.notification_settings(caller.user_id).await.map_err(to_status)?;
        Ok(Response::new(proto::GetNotificationSettingsResponse { settings: Some(encode_settings(settings)) }))
    }

    async fn update_notification_settings(
        &self,
        request: Request<proto::UpdateNotificationSettingsRequest>,
    ) -> Result<Response<proto::UpdateNotificationSettingsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let preview = decode_preview(request.preview).map_err(to_status)?;
        let changed = self.app.change_notification_settings(caller.user_id, preview, request.are_mentions_muted).await;
        let settings = Some(encode_settings(changed.map_err(to_status)?));
        Ok(Response::new(proto::UpdateNotificationSettingsResponse { settings }))
    }

    async fn get_vapid_key(
        &self,
        _request: Request<proto::GetVapidKeyRequest>,
    ) -> Result<Response<proto::GetVapidKeyResponse>, Status> {
        let key = self.app.vapid_key().await.map_err(to_status)?;
        Ok(Response::new(proto::GetVapidKeyResponse { public_key: key.public_key() }))
    }
}

fn decode_preview(preview: i32) -> Result<Option<Preview>, InvalidField> {
    match proto::NotificationPreview::try_from(preview) {
        Ok(proto::NotificationPreview::Unspecified) => Ok(None),
        Ok(proto::NotificationPreview::Full) => Ok(Some(Preview::Full)),
        Ok(proto::NotificationPreview::Sender) => Ok(Some(Preview::Sender)),
        Ok(proto::NotificationPreview::Hidden) => Ok(Some(Preview::Hidden)),
        Err(_) => Err(InvalidField::new("preview", "is not a preview")),
    }
}

fn encode_settings(settings: NotificationSettings) -> proto::NotificationSettings {
    let preview = match settings.preview {
        Preview::Full => proto::NotificationPreview::Full,
        Preview::Sender => proto::NotificationPreview::Sender,
        Preview::Hidden => proto::NotificationPreview::Hidden,
    };
    proto::NotificationSettings { preview: preview.into(), are_mentions_muted: settings.are_mentions_muted }
}
