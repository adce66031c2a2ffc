//! What this service asks of others.

use std::time::Duration;

use godwit_contract::chat::v1::GetDirectChatRequest;
use godwit_contract::chat::v1::direct_chat_internal_service_client::DirectChatInternalServiceClient;
use godwit_contract::message::v1::AppendUpdateRequest;
use godwit_contract::message::v1::message_internal_service_client::MessageInternalServiceClient;
use godwit_contract::push::v1::AlertCallRequest;
use godwit_contract::push::v1::call_alert_internal_service_client::CallAlertInternalServiceClient;
use godwit_contract::v1;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tokio::time::timeout;
use tonic::Status;

/// The chat service, as far as calls need it.
#[derive(Clone)]
pub struct Chats {
    client: DirectChatInternalServiceClient<Channel>,
}

impl Chats {
    /// The chat service of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self { client: DirectChatInternalServiceClient::new(directory.channel(Target::Chat)) }
    }

    /// The direct chat that two people share.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn direct_chat(&self, user_id: UserId, peer_id: UserId) -> Result<Option<ChatId>, Status> {
        let request = GetDirectChatRequest { user_id: user_id.to_string(), peer_id: peer_id.to_string() };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_direct_chat(request).await }
        })
        .await?;
        let chat_id = answer.into_inner().chat_id;
        if chat_id.is_empty() {
            return Ok(None);
        }
        chat_id.parse().map(Some).map_err(|_| Status::internal("a direct chat has a malformed id"))
    }
}

/// The message service, as far as calls need it: it has the logs of chats.
#[derive(Clone)]
pub struct Logs {
    directory: Directory,
}

impl Logs {
    /// The message service of the directory.
    pub const fn new(directory: Directory) -> Self {
        Self { directory }
    }

    /// Tells of a call in the log of a chat, once, however often this is called.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn append(&self, chat_id: ChatId, call: v1::Call) -> Result<(), Status> {
        let request = AppendUpdateRequest {
            event_id: call.id.clone(),
            update: Some(v1::Update {
                chat_id: chat_id.to_string(),
                actor_id: call.caller_id.clone(),
                change: Some(v1::update::Change::CallLogged(v1::CallLogged { call: Some(call) })),
                ..v1::Update::default()
            }),
            // Who is a member has not changed.
            membership_version: 0,
        };
        let channel = self.directory.for_key(Target::Message, chat_id.as_bytes());
        MessageInternalServiceClient::new(channel).append_update(request).await?;
        Ok(())
    }
}

/// Longer than that nobody's call waits for push.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);

/// The push service, as far as calls need it: it rings devices that are not connected.
#[derive(Clone)]
pub struct Alerts {
    client: CallAlertInternalServiceClient<Channel>,
}

impl Alerts {
    /// The push service of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self { client: CallAlertInternalServiceClient::new(directory.channel(Target::Push)) }
    }

    /// Tells how a call stands. A call goes on whatever comes of it: connected devices ring without.
    pub async fn tell(&self, call: v1::Call) {
        let request = AlertCallRequest { call: Some(call) };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.alert_call(request).await }
        });
        if !matches!(timeout(ALERT_PATIENCE, answer).await, Ok(Ok(_))) {
            metrics::counter!("call_alerts_lost_total").increment(1);
            tracing::debug!("push was not told of a call");
        }
    }
}
