//! What is asked of other services.

use std::collections::HashMap;

use godwit_contract::auth::v1::GetUsersRequest;
use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::message::v1::message_internal_service_client::MessageInternalServiceClient;
use godwit_contract::message::v1::{AppendUpdateRequest, ChatHead, GetHeadsRequest, RaiseMembershipVersionRequest};
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::Status;

use crate::domain::MembershipVersion;

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
        let client = MessageInternalServiceClient::new(directory.channel(Target::Message));
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

    /// Raises the version of the member list that a chat's log knows. Again for the same version: nothing more happens.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn raise_version(&self, chat_id: ChatId, version: MembershipVersion) -> Result<(), Status> {
        let client = self.appender_of(chat_id);
        let request = RaiseMembershipVersionRequest {
            chat_id: chat_id.to_string(),
            membership_version: version.get(),
            ..RaiseMembershipVersionRequest::default()
        };
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

    /// Where the logs of chats stand, at most 200; chats without a log are absent.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn heads(&self, chat_ids: &[ChatId]) -> Result<HashMap<ChatId, ChatHead>, Status> {
        if chat_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let request = GetHeadsRequest {
            chat_ids: chat_ids.iter().map(ChatId::to_string).collect(),
            ..GetHeadsRequest::default()
        };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_heads(request).await }
        })
        .await?;
        let heads = answer.into_inner().heads.into_iter();
        Ok(heads.filter_map(|head| Some((head.chat_id.parse().ok()?, head))).collect())
    }
}
