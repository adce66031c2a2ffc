//! What is asked of other services.

use godwit_contract::auth::v1::ListFriendIdsRequest;
use godwit_contract::auth::v1::relationship_internal_service_client::RelationshipInternalServiceClient;
use godwit_contract::chat::v1::ListDirectPeersRequest;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_kernel::{UserId, limits};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::Status;

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

    /// The first people above an id with whom a user shares a direct chat, or from the lowest on.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn direct_peers(&self, user_id: UserId, above: Option<UserId>) -> Result<DirectPeers, Status> {
        let request = ListDirectPeersRequest {
            user_id: user_id.to_string(),
            after_user_id: above.map(|id| id.to_string()).unwrap_or_default(),
            limit: limits::INTERNAL_PAGE_MAX,
        };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_direct_peers(request).await }
        });
        let answer = answer.await?.into_inner();
        Ok(DirectPeers { user_ids: ids(&answer.user_ids)?, has_more: answer.has_more })
    }
}

/// The auth service, as far as it knows who is a friend of whom.
#[derive(Clone, Debug)]
pub struct Friends {
    client: RelationshipInternalServiceClient<Channel>,
}

impl Friends {
    /// The auth service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        Self { client: RelationshipInternalServiceClient::new(directory.channel(Target::Auth)) }
    }

    /// All friends of a user: nobody has more than fit in one answer.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn of(&self, user_id: UserId) -> Result<Vec<UserId>, Status> {
        let request = ListFriendIdsRequest { user_id: user_id.to_string(), after_user_id: String::new(), limit: 0 };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_friend_ids(request).await }
        });
        ids(&answer.await?.into_inner().user_ids)
    }
}

fn ids(texts: &[String]) -> Result<Vec<UserId>, Status> {
    let ids: Result<Vec<UserId>, _> = texts.iter().map(|id| id.parse()).collect();
    ids.map_err(|_| Status::internal("a service answered with what is no user id"))
}
