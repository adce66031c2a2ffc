//! What is asked of other services.

use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::{GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest};
use godwit_kernel::{ChatId, UserId, limits};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::Status;

/// The chat service.
#[derive(Clone, Debug)]
pub struct Chats {
    client: ChatInternalServiceClient<Channel>,
}

/// What a chat is to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The user is a member.
    pub is_member: bool,
    /// Anybody finds the chat by its name.
    pub is_public: bool,
}

/// A page of the chats of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatIds {
    /// In id order.
    pub chat_ids: Vec<ChatId>,
    /// There are others behind them.
    pub has_more: bool,
}

impl Chats {
    /// The chat service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        Self { client: ChatInternalServiceClient::new(directory.channel(Target::Chat)) }
    }

    /// What a chat is to a user now.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn standing(&self, chat_id: ChatId, user_id: UserId) -> Result<Standing, Status> {
        let request = GetPostingPolicyRequest { chat_id: chat_id.to_string(), user_id: user_id.to_string() };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_posting_policy(request).await }
        });
        let GetPostingPolicyResponse { is_member, is_public, .. } = answer.await?.into_inner();
        Ok(Standing { is_member, is_public })
    }

    /// The first chats of a user above an id, or from the lowest on.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn chat_ids(&self, user_id: UserId, above: Option<ChatId>) -> Result<ChatIds, Status> {
        let request = ListChatIdsRequest {
            user_id: user_id.to_string(),
            after_chat_id: above.map(|id| id.to_string()).unwrap_or_default(),
            limit: limits::INTERNAL_PAGE_MAX,
        };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_chat_ids(request).await }
        });
        let answer = answer.await?.into_inner();
        let chat_ids: Result<Vec<ChatId>, _> = answer.chat_ids.iter().map(|id| id.parse()).collect();
        let chat_ids = chat_ids.map_err(|_| Status::internal("the chat service answered with what is no chat id"))?;
        Ok(ChatIds { chat_ids, has_more: answer.has_more })
    }
}
