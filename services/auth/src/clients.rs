//! What is asked of other services.

use godwit_contract::chat::v1::SetDirectBlockRequest;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::media::v1::SetAvatarRequest;
use godwit_contract::media::v1::media_internal_service_client::MediaInternalServiceClient;
use godwit_kernel::{MediaId, UserId};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::Status;

use crate::domain::{Pair, Relationship};

/// The chat service.
#[derive(Clone, Debug)]
pub struct Chats {
    client: ChatInternalServiceClient<Channel>,
}

impl Chats {
    /// The chat service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        Self { client: ChatInternalServiceClient::new(directory.channel(Target::Chat)) }
    }

    /// Has the chat service keep whether one of two people blocks the other: when this returns, neither can post to
    /// their direct chat, or both can again.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn set_direct_block(&self, pair: Pair, relationship: &Relationship) -> Result<(), Status> {
        let request = SetDirectBlockRequest {
            user_id: pair.low().to_string(),
            other_user_id: pair.high().to_string(),
            is_blocked: relationship.is_blocked(),
            version: u64::try_from(relationship.block_version).unwrap_or(0),
        };
        retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.set_direct_block(request).await }
        })
        .await?;
        Ok(())
    }
}

/// The media service.
#[derive(Clone, Debug)]
pub struct Media {
    client: MediaInternalServiceClient<Channel>,
}

impl Media {
    /// The media service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        Self { client: MediaInternalServiceClient::new(directory.channel(Target::Media)) }
    }

    /// Makes an image of a user their avatar, which others may fetch, in place of the one before; or none.
    ///
    /// # Errors
    /// When the service does not answer, or refuses: `NOT_FOUND` what is no upload of the user, `FAILED_PRECONDITION`
    /// what is no image.
    pub async fn set_avatar(&self, user_id: UserId, avatar_id: Option<MediaId>) -> Result<(), Status> {
        let request = SetAvatarRequest {
            user_id: user_id.to_string(),
            media_id: avatar_id.map(|id| id.to_string()).unwrap_or_default(),
        };
        retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.set_avatar(request).await }
        })
        .await?;
        Ok(())
    }
}
