//! What this service asks of others.

use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::{GetPostingPolicyRequest, ListChatIdsRequest};
use godwit_kernel::{ChatId, UserId, limits};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::Status;

/// Chats of one user beyond these, in id order, are found only when a question names them.
const CHATS_MAX: usize = 100_000;

/// The chat service, which knows who may see what now.
#[derive(Clone)]
pub struct Chats {
    client: ChatInternalServiceClient<Channel>,
}

impl Chats {
    /// The chat service of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self { client: ChatInternalServiceClient::new(directory.channel(Target::Chat)) }
    }

    /// Whether a user is a member of a chat now.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn is_member(&self, chat_id: ChatId, user_id: UserId) -> Result<bool, Status> {
        let request = GetPostingPolicyRequest { chat_id: chat_id.to_string(), user_id: user_id.to_string() };
        let policy = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_posting_policy(request).await }
        })
        .await?;
        Ok(policy.into_inner().is_member)
    }

    /// The chats that a user is a member of now.
    ///
    /// # Errors
    /// Those of the calls, or when an answer is not understood.
    pub async fn chat_ids(&self, user_id: UserId) -> Result<Vec<ChatId>, Status> {
        let mut chat_ids: Vec<ChatId> = Vec::new();
        loop {
            let request = ListChatIdsRequest {
                user_id: user_id.to_string(),
                after_chat_id: chat_ids.last().map(ChatId::to_string).unwrap_or_default(),
                limit: limits::INTERNAL_PAGE_MAX,
            };
            let page = retry_idempotent(|| {
                let (mut client, request) = (self.client.clone(), request.clone());
                async move { client.list_chat_ids(request).await }
            })
            .await?
            .into_inner();
            let count_before = chat_ids.len();
            for id in page.chat_ids {
                chat_ids.push(id.parse().map_err(|_| Status::internal("the chat service answered with no id"))?);
            }
            if !page.has_more || chat_ids.len() == count_before || chat_ids.len() >= CHATS_MAX {
                return Ok(chat_ids);
            }
        }
    }
}
