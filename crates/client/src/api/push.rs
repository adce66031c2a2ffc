use godwit_contract::push::v1::{
    GetNotificationSettingsResponse, GetVapidKeyResponse, RegisterPushTokenRequest, RegisterPushTokenResponse,
    RegisterWebPushRequest, RegisterWebPushResponse, UnregisterPushTokenResponse, UnregisterWebPushResponse,
    UpdateNotificationSettingsRequest, UpdateNotificationSettingsResponse,
};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /devices/web-push`: registers the Web Push subscription of this device.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn register_web_push(&self, request: &RegisterWebPushRequest) -> Result<RegisterWebPushResponse, Error> {
        self.call_with(self.http().post(&["devices", "web-push"]), request).await
    }

    /// `DELETE /devices/web-push`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unregister_web_push(&self) -> Result<UnregisterWebPushResponse, Error> {
        self.call(self.http().delete(&["devices", "web-push"])).await
    }

    /// `POST /devices/push-token`: registers a token of Apple's or Google's push service for this device. To be called at
    /// each start, and when the system gives another one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn register_push_token(
        &self,
        request: &RegisterPushTokenRequest,
    ) -> Result<RegisterPushTokenResponse, Error> {
        self.call_with(self.http().post(&["devices", "push-token"]), request).await
    }

    /// `DELETE /devices/push-token`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unregister_push_token(&self) -> Result<UnregisterPushTokenResponse, Error> {
        self.call(self.http().delete(&["devices", "push-token"])).await
    }

    /// `GET /users/me/notifications`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_notification_settings(&self) -> Result<GetNotificationSettingsResponse, Error> {
        self.call(self.http().get(&["users", "me", "notifications"])).await
    }

    /// `PATCH /users/me/notifications`: changes what is set in the request.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_notification_settings(
        &self,
        request: &UpdateNotificationSettingsRequest,
    ) -> Result<UpdateNotificationSettingsResponse, Error> {
        self.call_with(self.http().patch(&["users", "me", "notifications"]), request).await
    }

    /// `GET /devices/vapid-key`: the application server key of the server.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_vapid_key(&self) -> Result<GetVapidKeyResponse, Error> {
        self.http().call(&self.http().get(&["devices", "vapid-key"]), None, None).await
    }
}
