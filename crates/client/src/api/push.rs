use godwit_contract::push::v1::{
    GetVapidKeyResponse, RegisterWebPushRequest, RegisterWebPushResponse, UnregisterWebPushResponse,
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

    /// `GET /devices/vapid-key`: the application server key of the server.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_vapid_key(&self) -> Result<GetVapidKeyResponse, Error> {
        self.http().call(&self.http().get(&["devices", "vapid-key"]), None, None).await
    }
}
