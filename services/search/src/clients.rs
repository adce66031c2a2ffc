//! What this service asks of others.

use std::collections::HashMap;

use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::{GetPostingPolicyRequest, ListChatIdsRequest};
use godwit_contract::message::v1::GetHeadsRequest;
use godwit_contract::message::v1::message_internal_service_client::MessageInternalServiceClient;
use godwit_kernel::{ChatId, Seq, UserId, limits};
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

/// The message service, which knows from where on a member may see a chat.
#[derive(Clone)]
pub struct Logs {
    client: MessageInternalServiceClient<Channel>,
}

impl Logs {
    /// The message service of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self { client: MessageInternalServiceClient::new(directory.channel(Target::Message)) }
    }

    /// The first seq of each chat that a member may see; chats without a log are absent.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn visible_from(&self, user_id: UserId, chat_ids: &[ChatId]) -> Result<HashMap<ChatId, Seq>, Status> {
        let mut visible = HashMap::with_capacity(chat_ids.len());
        for chunk in chat_ids.chunks(limits::BATCH_IDS_MAX) {
            let request = GetHeadsRequest {
                chat_ids: chunk.iter().map(ChatId::to_string).collect(),
                viewer_id: user_id.to_string(),
                with_receipts: false,
            };
            let heads = retry_idempotent(|| {
                let (mut client, request) = (self.client.clone(), request.clone());
                async move { client.get_heads(request).await }
            });
            for head in heads.await?.into_inner().heads {
                let from = Seq::new(head.visible_from_seq);
                let chat_id = head.chat_id.parse().ok();
                let (chat_id, from) = chat_id
                    .zip(from)
                    .ok_or_else(|| Status::internal("the message service answered with no head of a chat"))?;
                visible.insert(chat_id, from);
            }
        }
        Ok(visible)
    }
}
