//! What this service asks of others.

use godwit_contract::chat::v1::ListDirectPeersRequest;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_kernel::UserId;
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
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
