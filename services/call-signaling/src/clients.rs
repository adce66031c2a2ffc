//! What this service asks of others.

use std::time::Duration;

use godwit_contract::chat::v1::ListDirectPeersRequest;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::push::v1::AlertCallRequest;
use godwit_contract::push::v1::call_alert_service_client::CallAlertServiceClient;
use godwit_contract::v1;
use godwit_kernel::UserId;
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tokio::time::timeout;
use tonic::Status;
use uuid::Uuid;

/// The chat service, as far as calls need it.
#[derive(Clone)]
pub struct Chats {
    client: ChatInternalServiceClient<Channel>,
}

impl Chats {
    /// The chat service of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self { client: ChatInternalServiceClient::new(directory.channel(Target::Chat)) }
    }

    /// Whether two people share a direct chat.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn share_direct_chat(&self, user_id: UserId, peer_id: UserId) -> Result<bool, Status> {
        let request = ListDirectPeersRequest {
            user_id: user_id.to_string(),
            after_user_id: just_before(peer_id).to_string(),
            limit: 1,
        };
        let page = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_direct_peers(request).await }
        })
        .await?
        .into_inner();
        Ok(page.user_ids.first() == Some(&peer_id.to_string()))
    }
}

/// The list is in id order and its cursor exclusive: after this one the next can be the peer, whatever the length.
fn just_before(peer_id: UserId) -> UserId {
    UserId::from_uuid(Uuid::from_u128(peer_id.as_uuid().as_u128().saturating_sub(1)))
}

/// Longer than that nobody's call waits for push.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);

/// The push service, as far as calls need it: it rings devices that are not connected.
#[derive(Clone)]
pub struct Alerts {
    client: CallAlertServiceClient<Channel>,
}

impl Alerts {
    /// The push service of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self { client: CallAlertServiceClient::new(directory.channel(Target::Push)) }
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
