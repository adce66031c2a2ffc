//! What is asked of other services.

use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::{ListDirectPeersRequest, ListDirectPeersResponse};
use godwit_kernel::{UserId, limits};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::Status;
use uuid::Uuid;

/// The chat service.
#[derive(Clone, Debug)]
pub struct Chats {
    client: ChatInternalServiceClient<Channel>,
}

/// A page of the people with whom a user shares a direct chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectPeers {
    /// In id order.
    pub user_ids: Vec<UserId>,
    /// There are others behind them.
    pub has_more: bool,
}

impl Chats {
    /// The chat service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        Self { client: ChatInternalServiceClient::new(directory.channel(Target::Chat)) }
    }

    /// Whether two people share a direct chat. Peers come in id order, so one look at the place where the other one
    /// would be is enough.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn are_direct_peers(&self, user_id: UserId, peer_id: UserId) -> Result<bool, Status> {
        let before = peer_id.as_uuid().as_u128().checked_sub(1);
        let before = before.map(|number| UserId::from_uuid(Uuid::from_u128(number)));
        let answer = self.list(user_id, before, 1).await?;
        Ok(answer.user_ids.contains(&peer_id.to_string()))
    }

    /// The first people above an id with whom a user shares a direct chat, or from the lowest on.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn direct_peers(&self, user_id: UserId, above: Option<UserId>) -> Result<DirectPeers, Status> {
        let answer = self.list(user_id, above, limits::INTERNAL_PAGE_MAX).await?;
        let user_ids: Result<Vec<UserId>, _> = answer.user_ids.iter().map(|id| id.parse()).collect();
        let user_ids = user_ids.map_err(|_| Status::internal("the chat service answered with what is no user id"))?;
        Ok(DirectPeers { user_ids, has_more: answer.has_more })
    }

    async fn list(
        &self,
        user_id: UserId,
        above: Option<UserId>,
        limit: u32,
    ) -> Result<ListDirectPeersResponse, Status> {
        let request = ListDirectPeersRequest {
            user_id: user_id.to_string(),
            after_user_id: above.map(|id| id.to_string()).unwrap_or_default(),
            limit,
        };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_direct_peers(request).await }
        });
        Ok(answer.await?.into_inner())
    }
}
