//! What is asked of other services.

use std::collections::HashMap;

use godwit_contract::auth::v1::ResolveUsernamesRequest;
use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::call::v1::ListRunningCallsRequest;
use godwit_contract::call::v1::call_internal_service_client::CallInternalServiceClient;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::draft_internal_service_client::DraftInternalServiceClient;
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListDraftsRequest, OpenSavedMessagesRequest,
    PostingRefusal,
};
use godwit_contract::media::v1::DescribeAttachmentsRequest;
use godwit_contract::media::v1::media_internal_service_client::MediaInternalServiceClient;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, MediaId, UserId, limits};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::{Code, Status};

use crate::domain::{Attachment, ChatKind, MembershipVersion, Posting, PostingPolicy, Right, Rights};
use crate::wire::decode_attachment;

/// The chat service.
#[derive(Clone, Debug)]
pub struct Chats {
    client: ChatInternalServiceClient<Channel>,
    drafts: DraftInternalServiceClient<Channel>,
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
        let channel = directory.channel(Target::Chat);
        let drafts = DraftInternalServiceClient::new(channel.clone()).max_decoding_message_size(limits::ANSWER_BYTES);
        Self { client: ChatInternalServiceClient::new(channel), drafts }
    }

    /// What a user may do in a chat now; `None` for who is not a member, also of a chat that does not exist.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn posting_policy(&self, chat_id: ChatId, user_id: UserId) -> Result<Option<PostingPolicy>, Status> {
        let request = GetPostingPolicyRequest { chat_id: chat_id.to_string(), user_id: user_id.to_string() };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_posting_policy(request).await }
        })
        .await?
        .into_inner();
        if !answer.is_member {
            return Ok(None);
        }
        let version = MembershipVersion::new(answer.membership_version)
            .ok_or_else(|| Status::internal("the chat service answered with a membership version over 63 bits"))?;
        Ok(Some(PostingPolicy {
            posting: decode_posting(&answer),
            version,
            kind: decode_kind(answer.kind()),
            rights: answer.rights().filter_map(decode_right).collect::<Rights>(),
            slow_mode_secs: answer.slow_mode_secs,
            member_count: answer.member_count,
            is_public: answer.is_public,
        }))
    }

    /// Makes the Saved Messages of a user, if there are none; their log is there when this returns.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn open_saved_messages(&self, user_id: UserId) -> Result<(), Status> {
        let request = OpenSavedMessagesRequest { user_id: user_id.to_string() };
        retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.open_saved_messages(request).await }
        })
        .await?;
        Ok(())
    }

    /// What a user was about to send, to any chat.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn drafts(&self, user_id: UserId) -> Result<Vec<pb::Draft>, Status> {
        let request = ListDraftsRequest { user_id: user_id.to_string() };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.drafts.clone(), request.clone());
            async move { client.list_drafts(request).await }
        })
        .await?;
        Ok(answer.into_inner().drafts)
    }

    /// The first chats of a user above an id, or from the lowest on; at most 10,000.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn chat_ids(&self, user_id: UserId, above: Option<ChatId>, limit: u32) -> Result<ChatIds, Status> {
        let request = ListChatIdsRequest {
            user_id: user_id.to_string(),
            after_chat_id: above.map(|id| id.to_string()).unwrap_or_default(),
            limit,
        };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_chat_ids(request).await }
        })
        .await?
        .into_inner();
        let chat_ids: Result<Vec<ChatId>, _> = answer.chat_ids.iter().map(|id| id.parse()).collect();
        let chat_ids = chat_ids.map_err(|_| Status::internal("the chat service answered with what is no chat id"))?;
        Ok(ChatIds { chat_ids, has_more: answer.has_more })
    }
}

/// The call service.
#[derive(Clone, Debug)]
pub struct Calls {
    client: CallInternalServiceClient<Channel>,
}

impl Calls {
    /// The call service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        Self { client: CallInternalServiceClient::new(directory.channel(Target::Call)) }
    }

    /// The calls of a user that ring or run.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn running(&self, user_id: UserId) -> Result<Vec<pb::Call>, Status> {
        let request = ListRunningCallsRequest { user_id: user_id.to_string() };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_running_calls(request).await }
        })
        .await?;
        Ok(answer.into_inner().calls)
    }
}

fn decode_posting(answer: &GetPostingPolicyResponse) -> Posting {
    match answer.refusal() {
        _ if answer.may_post => Posting::Allowed,
        PostingRefusal::Blocked => Posting::Blocked,
        PostingRefusal::Unspecified => Posting::NotAllowed,
    }
}

const fn decode_kind(kind: pb::ChatKind) -> ChatKind {
    match kind {
        // A chat service from before there were kinds has direct chats only.
        pb::ChatKind::Direct | pb::ChatKind::Unspecified => ChatKind::Direct,
        pb::ChatKind::Saved => ChatKind::Saved,
        pb::ChatKind::Group => ChatKind::Group,
        pb::ChatKind::Channel => ChatKind::Channel,
    }
}

/// `None` for rights that this service does not ask for.
const fn decode_right(right: pb::ChatRight) -> Option<Right> {
    match right {
        pb::ChatRight::React => Some(Right::React),
        pb::ChatRight::Pin => Some(Right::Pin),
        pb::ChatRight::DeleteAny => Some(Right::DeleteAny),
        pb::ChatRight::SeeReceipts => Some(Right::SeeReceipts),
        pb::ChatRight::SkipSlowMode => Some(Right::SkipSlowMode),
        _ => None,
    }
}

/// The auth service, of which people are asked.
#[derive(Clone, Debug)]
pub struct Users {
    client: AuthInternalServiceClient<Channel>,
}

impl Users {
    /// The auth service where the directory says it is.
    pub fn new(directory: &Directory) -> Self {
        Self { client: AuthInternalServiceClient::new(directory.channel(Target::Auth)) }
    }

    /// The users with these names, by the names as they were given; at most 100.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn resolve_usernames(&self, usernames: Vec<String>) -> Result<HashMap<String, UserId>, Status> {
        let request = ResolveUsernamesRequest { usernames };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.resolve_usernames(request).await }
        })
        .await?
        .into_inner();
        let users = answer.users.into_iter().filter_map(|user| Some((user.username, user.user_id.parse().ok()?)));
        Ok(users.collect())
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

    /// What a user's finished uploads are, in their order; `None` when one is none. At most 10.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn describe_attachments(
        &self,
        user_id: UserId,
        media_ids: &[MediaId],
    ) -> Result<Option<Vec<Attachment>>, Status> {
        let media_ids = media_ids.iter().map(MediaId::to_string).collect();
        let request = DescribeAttachmentsRequest { user_id: user_id.to_string(), media_ids };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.describe_attachments(request).await }
        })
        .await;
        match answer {
            Ok(answer) => Ok(answer.into_inner().attachments.iter().map(decode_attachment).collect()),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }
}
