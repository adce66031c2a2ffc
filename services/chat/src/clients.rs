//! What is asked of other services.

use std::collections::HashMap;

use godwit_contract::auth::v1::GetUsersRequest;
use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::media::v1::DescribeAttachmentsRequest;
use godwit_contract::media::v1::media_internal_service_client::MediaInternalServiceClient;
use godwit_contract::message::v1::message_internal_service_client::MessageInternalServiceClient;
use godwit_contract::message::v1::{
    AppendUpdateRequest, ChatHead, ChatRank, ClearHistoryRequest, GetHeadsRequest, RaiseMembershipVersionRequest,
    RankChatsRequest,
};
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MediaId, UserId, limits};
use godwit_rpc::{Channel, Directory, Target, instant, retry_idempotent, timestamp};
use time::OffsetDateTime;
use tonic::Status;

/// The auth service.
#[derive(Clone, Debug)]
pub struct Users {
    client: AuthInternalServiceClient<Channel>,
}

impl Users {
    /// The auth service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        Self { client: AuthInternalServiceClient::new(directory.channel(Target::Auth)) }
    }

    /// Users as one of the others may see them, at most 200; unknown ones are absent, deleted ones have their id and the
    /// mark of it.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn get(&self, viewer: UserId, user_ids: &[UserId]) -> Result<HashMap<UserId, pb::User>, Status> {
        if user_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let user_ids = user_ids.iter().map(UserId::to_string).collect();
        let request = GetUsersRequest { user_ids, viewer_id: viewer.to_string() };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_users(request).await }
        })
        .await?;
        let users = answer.into_inner().users.into_iter();
        Ok(users.filter_map(|user| Some((user.id.parse().ok()?, user))).collect())
    }
}

/// The message service.
#[derive(Clone, Debug)]
pub struct Logs {
    directory: Directory,
    client: MessageInternalServiceClient<Channel>,
}

impl Logs {
    /// The message service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        let client = MessageInternalServiceClient::new(directory.channel(Target::Message))
            .max_decoding_message_size(limits::ANSWER_BYTES);
        Self { directory: directory.clone(), client }
    }

    /// Appends an update to its chat's log, at the replica where the chat's messages are appended too. Again for the same
    /// event: nothing more happens.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn append(&self, chat_id: ChatId, request: AppendUpdateRequest) -> Result<(), Status> {
        let client = self.appender_of(chat_id);
        retry_idempotent(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.append_update(request).await }
        })
        .await?;
        Ok(())
    }

    /// Tells a chat's log of a change that it does not keep: the version of the member list, and who subscribed or went.
    /// Again for the same change: nothing more happens.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn raise_version(&self, chat_id: ChatId, request: RaiseMembershipVersionRequest) -> Result<(), Status> {
        let client = self.appender_of(chat_id);
        retry_idempotent(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.raise_membership_version(request).await }
        })
        .await?;
        Ok(())
    }

    fn appender_of(&self, chat_id: ChatId) -> MessageInternalServiceClient<Channel> {
        MessageInternalServiceClient::new(self.directory.for_key(Target::Message, chat_id.as_bytes()))
    }

    /// Where the logs of chats stand, at most 200, as a member sees them; chats without a log are absent.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn heads(
        &self,
        viewer: UserId,
        chat_ids: &[ChatId],
        receipts: Receipts,
    ) -> Result<HashMap<ChatId, ChatHead>, Status> {
        if chat_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let request = GetHeadsRequest {
            chat_ids: chat_ids.iter().map(ChatId::to_string).collect(),
            viewer_id: viewer.to_string(),
            with_receipts: receipts == Receipts::OfAll,
        };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_heads(request).await }
        })
        .await?;
        let heads = answer.into_inner().heads.into_iter();
        Ok(heads.filter_map(|head| Some((head.chat_id.parse().ok()?, head))).collect())
    }

    /// Puts chats, at most 10000, in the order of a chat list, behind a place; chats without a log are absent.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn rank(&self, chat_ids: &[ChatId], after: Option<Rank>, limit: u32) -> Result<Vec<Rank>, Status> {
        if chat_ids.is_empty() {
            return Ok(Vec::new());
        }
        let after = after
            .map(|rank| ChatRank { chat_id: rank.chat_id.to_string(), active_at: Some(timestamp(rank.active_at)) });
        let chat_ids = chat_ids.iter().map(ChatId::to_string).collect();
        let request = RankChatsRequest { chat_ids, after, limit };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.rank_chats(request).await }
        })
        .await?;
        let decode = |rank: ChatRank| {
            let active_at = rank.active_at.as_ref().and_then(instant)?;
            Some(Rank { chat_id: rank.chat_id.parse().ok()?, active_at })
        };
        let ranks: Option<Vec<Rank>> = answer.into_inner().ranks.into_iter().map(decode).collect();
        ranks.ok_or_else(|| Status::internal("the message service answered with what is no rank"))
    }

    /// Deletes the history of a chat for one member.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn clear_history(&self, chat_id: ChatId, user_id: UserId) -> Result<(), Status> {
        let client = self.appender_of(chat_id);
        let request = ClearHistoryRequest { chat_id: chat_id.to_string(), user_id: user_id.to_string() };
        retry_idempotent(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.clear_history(request).await }
        })
        .await?;
        Ok(())
    }
}

/// Whose receipts come with heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipts {
    /// Those of direct chats.
    OfDirectChats,
    /// Those of all members of chats that have receipts.
    OfAll,
}

/// The place of a chat in a chat list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The chat.
    pub chat_id: ChatId,
    /// When its newest message was sent, or when it began.
    pub active_at: OffsetDateTime,
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

    /// The type of a finished upload of a user, such as `image/png`.
    ///
    /// # Errors
    /// When the service does not answer; `NOT_FOUND` for what is no such upload.
    pub async fn content_type(&self, user_id: UserId, media_id: MediaId) -> Result<String, Status> {
        let request =
            DescribeAttachmentsRequest { user_id: user_id.to_string(), media_ids: vec![media_id.to_string()] };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.describe_attachments(request).await }
        })
        .await?;
        let described = answer.into_inner().attachments.pop();
        described
            .map(|attachment| attachment.content_type)
            .ok_or_else(|| Status::internal("the media service answered with nothing"))
    }
}
