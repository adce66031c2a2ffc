//! What this service asks of others.

use std::collections::HashMap;

use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::auth::v1::directory_internal_service_client::DirectoryInternalServiceClient as AuthDirectoryClient;
use godwit_contract::auth::v1::{GetUsersRequest, ListUserIdsRequest, ListUserIdsResponse};
use godwit_contract::chat::v1::channel_service_client::ChannelServiceClient;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::directory_internal_service_client::DirectoryInternalServiceClient as ChatDirectoryClient;
use godwit_contract::chat::v1::{
    GetChannelRequest, GetChannelResponse, GetPostingPolicyRequest, ListChatIdsRequest, ListPublicChannelsRequest,
    ListPublicChannelsResponse,
};
use godwit_contract::message::v1::index_internal_service_client::IndexInternalServiceClient;
use godwit_contract::message::v1::{GetSeenMessagesRequest, ListAllMessagesRequest, ListAllMessagesResponse};
use godwit_contract::v1::{Message, User};
use godwit_kernel::{ChatId, MessageId, UserId, limits};
use godwit_rpc::{Caller, Channel, Directory, Target, retry_idempotent};
use tonic::{Code, Request, Status};

/// Chats of one user beyond these, in id order, are found only when a question names them.
const CHATS_MAX: usize = 100_000;

/// People, or channels, of a page of all.
const LISTED_MAX: u32 = 1_000;

/// The chat service, which knows who may see what now.
#[derive(Clone)]
pub struct Chats {
    client: ChatInternalServiceClient<Channel>,
    channels: ChannelServiceClient<Channel>,
    directory: ChatDirectoryClient<Channel>,
}

impl Chats {
    /// The chat service of the directory.
    pub fn new(directory: &Directory) -> Self {
        let channel = directory.channel(Target::Chat);
        Self {
            client: ChatInternalServiceClient::new(channel.clone()),
            channels: ChannelServiceClient::new(channel.clone()),
            directory: ChatDirectoryClient::new(channel),
        }
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

    /// The public channel with a handle as the caller sees it; `None` when there is none any more.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn channel(&self, caller: &Caller, handle: String) -> Result<Option<GetChannelResponse>, Status> {
        let answer = retry_idempotent(|| {
            let mut request = Request::new(GetChannelRequest { handle: handle.clone() });
            caller.attach(&mut request);
            let mut client = self.channels.clone();
            async move { client.get_channel(request).await }
        });
        match answer.await {
            Ok(channel) => Ok(Some(channel.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// A page of all public channels, after one of them or from the first on.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn list_channels(&self, after_chat_id: &str) -> Result<ListPublicChannelsResponse, Status> {
        let request = ListPublicChannelsRequest { after_chat_id: after_chat_id.to_owned(), limit: LISTED_MAX };
        let page = retry_idempotent(|| {
            let (mut client, request) = (self.directory.clone(), request.clone());
            async move { client.list_public_channels(request).await }
        });
        Ok(page.await?.into_inner())
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

/// The auth service, which knows people.
#[derive(Clone)]
pub struct People {
    client: AuthInternalServiceClient<Channel>,
    directory: AuthDirectoryClient<Channel>,
}

impl People {
    /// The auth service of the directory.
    pub fn new(directory: &Directory) -> Self {
        let channel = directory.channel(Target::Auth);
        Self { client: AuthInternalServiceClient::new(channel.clone()), directory: AuthDirectoryClient::new(channel) }
    }

    /// A page of all accounts, after one of them or from the first on.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn list_all(&self, after_user_id: &str) -> Result<ListUserIdsResponse, Status> {
        let request = ListUserIdsRequest { after_user_id: after_user_id.to_owned(), limit: LISTED_MAX };
        let page = retry_idempotent(|| {
            let (mut client, request) = (self.directory.clone(), request.clone());
            async move { client.list_user_ids(request).await }
        });
        Ok(page.await?.into_inner())
    }

    /// The profiles of people; unknown ones are absent, deleted ones have the mark.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn profiles(&self, user_ids: &[UserId]) -> Result<Vec<User>, Status> {
        self.get_users(user_ids, String::new()).await
    }

    /// The same as somebody may see them.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn seen_by(&self, viewer_id: UserId, user_ids: &[UserId]) -> Result<Vec<User>, Status> {
        self.get_users(user_ids, viewer_id.to_string()).await
    }

    async fn get_users(&self, user_ids: &[UserId], viewer_id: String) -> Result<Vec<User>, Status> {
        let mut users = Vec::with_capacity(user_ids.len());
        for chunk in user_ids.chunks(limits::BATCH_IDS_MAX) {
            let user_ids = chunk.iter().map(UserId::to_string).collect();
            let request = GetUsersRequest { user_ids, viewer_id: viewer_id.clone() };
            let answer = retry_idempotent(|| {
                let (mut client, request) = (self.client.clone(), request.clone());
                async move { client.get_users(request).await }
            });
            users.extend(answer.await?.into_inner().users);
        }
        Ok(users)
    }
}

/// The message service, which knows what messages say now and who may see them.
#[derive(Clone)]
pub struct Logs {
    client: IndexInternalServiceClient<Channel>,
}

impl Logs {
    /// The message service of the directory.
    pub fn new(directory: &Directory) -> Self {
        let client = IndexInternalServiceClient::new(directory.channel(Target::Message));
        Self { client: client.max_decoding_message_size(limits::ANSWER_BYTES) }
    }

    /// Messages as a member of their chats may see them now; those that they may not see, and those that are gone, are
    /// absent.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn seen_messages(
        &self,
        viewer_id: UserId,
        ids: &[MessageId],
    ) -> Result<HashMap<MessageId, Message>, Status> {
        let mut seen = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(limits::BATCH_IDS_MAX) {
            let message_ids = chunk.iter().map(MessageId::to_string).collect();
            let request = GetSeenMessagesRequest { message_ids, viewer_id: viewer_id.to_string() };
            let answer = retry_idempotent(|| {
                let (mut client, request) = (self.client.clone(), request.clone());
                async move { client.get_seen_messages(request).await }
            });
            for message in answer.await?.into_inner().messages {
                let id = message.id.parse();
                seen.insert(id.map_err(|_| Status::internal("the message service answered with no message"))?, message);
            }
        }
        Ok(seen)
    }

    /// A page of all messages, after one of them or from the first on.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn list_all(&self, after_message_id: &str) -> Result<ListAllMessagesResponse, Status> {
        let limit = u32::try_from(limits::BATCH_IDS_MAX).unwrap_or(u32::MAX);
        let request = ListAllMessagesRequest { after_message_id: after_message_id.to_owned(), limit };
        let page = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_all_messages(request).await }
        });
        Ok(page.await?.into_inner())
    }
}
