//! What this service asks of others.

use godwit_contract::chat::v1::ListDirectPeersRequest;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_kernel::{UserId, limits};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::Status;

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
        let (user, peer) = (user_id.to_string(), peer_id.to_string());
        let mut after_user_id = String::new();
        loop {
            let request = ListDirectPeersRequest {
                user_id: user.clone(),
                after_user_id: after_user_id.clone(),
                limit: limits::INTERNAL_PAGE_MAX,
            };
            let page = retry_idempotent(|| {
                let (mut client, request) = (self.client.clone(), request.clone());
                async move { client.list_direct_peers(request).await }
            })
            .await?
            .into_inner();
            if page.user_ids.contains(&peer) {
                return Ok(true);
            }
            match page.user_ids.last() {
                Some(last) if page.has_more => after_user_id.clone_from(last),
                _ => return Ok(false),
            }
        }
    }
}
