//! Devices with tokens of Apple or Google.

use godwit_contract::push::v1::{
    GetNotificationSettingsRequest, NotificationSettings, PushProvider, RegisterPushTokenRequest,
    UnregisterPushTokenRequest, UpdateNotificationSettingsRequest,
};
use godwit_kernel::{DeviceId, SessionId, SystemClock, SystemEntropy, UserId};
use godwit_rpc::{Caller, Failure};
use tonic::Request;

use crate::harness::{Replica, World};

/// A phone of somebody who is logged in there.
#[derive(Clone)]
pub struct Phone {
    pub caller: Caller,
    /// Fits both: hexadecimal.
    pub token: String,
    pub voip_token: String,
}

impl Phone {
    pub fn of(user_id: UserId) -> Self {
        let device_id = DeviceId::generate(&SystemClock, &SystemEntropy);
        let session_id = SessionId::generate(&SystemClock, &SystemEntropy);
        let token = device_id.as_uuid().simple().to_string();
        Self { caller: Caller { user_id, session_id, device_id }, voip_token: format!("{token}00"), token }
    }

    pub fn user_id(&self) -> UserId {
        self.caller.user_id
    }

    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.caller.attach(&mut request);
        request
    }
}

impl World {
    /// A member of the chat with a phone.
    pub fn member_with_phone(&self) -> Phone {
        let user_id = UserId::generate(&SystemClock, &SystemEntropy);
        self.peers.members.lock().unwrap().insert(user_id.to_string());
        Phone::of(user_id)
    }
}

impl Replica {
    pub async fn register_token(&self, phone: &Phone, provider: PushProvider, token: &str) -> Result<(), Failure> {
        let request = RegisterPushTokenRequest { provider: provider.into(), token: token.to_owned() };
        let answer = self.push().register_push_token(phone.ask(request)).await;
        answer.map(|_| ()).map_err(|status| Failure::from_status(&status))
    }

    pub async fn register_apple(&self, phone: &Phone) {
        self.register_token(phone, PushProvider::Apns, &phone.token).await.unwrap();
    }

    pub async fn register_google(&self, phone: &Phone) {
        self.register_token(phone, PushProvider::Fcm, &phone.token).await.unwrap();
    }

    pub async fn unregister_tokens(&self, phone: &Phone) {
        self.push().unregister_push_token(phone.ask(UnregisterPushTokenRequest {})).await.unwrap();
    }

    pub async fn change_settings(
        &self,
        phone: &Phone,
        request: UpdateNotificationSettingsRequest,
    ) -> NotificationSettings {
        let answer = self.push().update_notification_settings(phone.ask(request)).await.unwrap();
        answer.into_inner().settings.unwrap()
    }

    pub async fn settings(&self, phone: &Phone) -> NotificationSettings {
        let answer = self.push().get_notification_settings(phone.ask(GetNotificationSettingsRequest {})).await;
        answer.unwrap().into_inner().settings.unwrap()
    }
}
