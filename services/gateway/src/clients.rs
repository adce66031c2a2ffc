//! The calls to other services.

mod files;
mod people;

pub use files::{FileStream, Passed};

use std::time::Duration;

use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::auth::v1::auth_service_client::AuthServiceClient;
use godwit_contract::auth::v1::{ListKeysRequest, ListRevocationsRequest, TokenKey};
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::{GetPostingPolicyRequest, ListChatIdsRequest};
use godwit_contract::message::v1::message_internal_service_client::MessageInternalServiceClient;
use godwit_contract::message::v1::message_service_client::MessageServiceClient;
use godwit_contract::message::v1::{
    ChatUpdates, OutgoingMessage, SendMessagesRequest, SendRefusal, SyncChatRequest, send_result,
};
use godwit_contract::presence::v1::presence_internal_service_client::PresenceInternalServiceClient;
use godwit_contract::presence::v1::{ReportNodeRequest, ReportNodeResponse};
use godwit_contract::rest::{RoutingKey, Upstream};
use godwit_contract::v1::Message;
use godwit_kernel::limits::{self, INTERNAL_PAGE_MAX};
use godwit_kernel::{ChatId, MessageId, SessionId, UserId};
use godwit_rpc::{Channel, Directory, Failure, Target, retry_idempotent, timestamp};
use time::OffsetDateTime;
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Status};

/// The most pages of a user's chats, so that a faulty answer cannot keep the gateway asking.
const CHAT_PAGES_MAX: usize = 100;

/// How long a page of ended sessions is waited for.
const REVOCATIONS_TIMEOUT: Duration = Duration::from_secs(5);

/// Some of the sessions that ended.
pub struct RevokedSessions {
    /// In id order.
    pub sessions: Vec<SessionId>,
    /// Behind which the next page begins; `None` on the last one.
    pub next_after: Option<SessionId>,
}

/// The services behind the gateway.
#[derive(Clone)]
pub struct Services {
    directory: Directory,
}

impl Services {
    /// Those that the directory knows.
    pub fn new(directory: Directory) -> Self {
        Self { directory }
    }

    /// The keys that verify access tokens.
    pub async fn token_keys(&self) -> Result<Vec<TokenKey>, Status> {
        let channel = self.directory.channel(Target::Auth);
        retry_idempotent(|| async {
            let answer = AuthServiceClient::new(channel.clone()).list_keys(ListKeysRequest {}).await?;
            Ok(answer.into_inner().keys)
        })
        .await
    }

    /// A page of the sessions that ended before their access tokens, not earlier than `since`. Asked once: who asks does so
    /// again soon.
    pub async fn revoked_sessions(
        &self,
        since: Option<OffsetDateTime>,
        after: Option<SessionId>,
    ) -> Result<RevokedSessions, Status> {
        let mut request = Request::new(ListRevocationsRequest {
            revoked_since: since.map(timestamp),
            after_session_id: after.map(|session| session.to_string()).unwrap_or_default(),
            limit: 0,
        });
        request.set_timeout(REVOCATIONS_TIMEOUT);
        let mut client = AuthInternalServiceClient::new(self.directory.channel(Target::Auth));
        let answer = client.list_revocations(request).await?.into_inner();
        let sessions: Vec<SessionId> = ids(answer.revocations.iter().map(|ended| ended.session_id.as_str()));
        let next_after = sessions.last().copied().filter(|_| answer.has_more);
        Ok(RevokedSessions { sessions, next_after })
    }

    /// The chats of a user, page by page.
    pub async fn chat_ids(&self, user: UserId) -> Result<Vec<ChatId>, Status> {
        let channel = self.directory.channel(Target::Chat);
        let mut all = Vec::new();
        let mut after_chat_id = String::new();
        for _ in 0..CHAT_PAGES_MAX {
            let page = retry_idempotent(|| async {
                let request = ListChatIdsRequest {
                    user_id: user.to_string(),
                    after_chat_id: after_chat_id.clone(),
                    limit: INTERNAL_PAGE_MAX,
                };
                ChatInternalServiceClient::new(channel.clone()).list_chat_ids(request).await
            })
            .await?
            .into_inner();
            all.extend(ids::<ChatId>(page.chat_ids.iter().map(String::as_str)));
            match page.chat_ids.into_iter().next_back() {
                Some(last) if page.has_more => after_chat_id = last,
                _ => break,
            }
        }
        Ok(all)
    }

    /// Whether the user is a member of the chat now.
    pub async fn is_member(&self, chat: ChatId, user: UserId) -> Result<bool, Status> {
        let channel = self.directory.channel(Target::Chat);
        let answer = retry_idempotent(|| async {
            let request = GetPostingPolicyRequest { chat_id: chat.to_string(), user_id: user.to_string() };
            ChatInternalServiceClient::new(channel.clone()).get_posting_policy(request).await
        })
        .await?;
        Ok(answer.into_inner().is_member)
    }

    /// Tells presence who is connected here.
    pub async fn report_node(&self, report: ReportNodeRequest) -> Result<ReportNodeResponse, Status> {
        let mut client = PresenceInternalServiceClient::new(self.directory.channel(Target::Presence));
        Ok(client.report_node(report).await?.into_inner())
    }

    /// Sends messages to a chat in their order, on behalf of whom `metadata` names; one result a message. Idempotent by
    /// their `client_message_id`.
    pub async fn send_messages(
        &self,
        chat: ChatId,
        messages: Vec<OutgoingMessage>,
        metadata: &MetadataMap,
    ) -> Result<Vec<Result<Message, Failure>>, Status> {
        let channel = self.messages_of(chat);
        let count = messages.len();
        let send = SendMessagesRequest { chat_id: chat.to_string(), messages };
        let answer = retry_idempotent(|| async {
            let request = Request::from_parts(metadata.clone(), Extensions::new(), send.clone());
            MessageInternalServiceClient::new(channel.clone()).send_messages(request).await
        })
        .await?;
        let results: Vec<_> =
            answer.into_inner().results.into_iter().map(|result| read_result(result.result)).collect();
        if results.len() == count { Ok(results) } else { Err(Status::internal("an answer without its results")) }
    }

    /// The replica of the message service that appends to a chat.
    pub fn messages_of(&self, chat: ChatId) -> Channel {
        self.directory.for_key(Target::Message, chat.as_bytes())
    }

    /// The updates of a chat, for whom `metadata` names.
    pub async fn sync_chat(
        &self,
        chat: ChatId,
        cursor: SyncChatRequest,
        metadata: &MetadataMap,
    ) -> Result<ChatUpdates, Status> {
        let channel = self.messages_of(chat);
        let answer = retry_idempotent(|| async {
            let request = Request::from_parts(metadata.clone(), Extensions::new(), cursor.clone());
            let client = MessageServiceClient::new(channel.clone());
            client.max_decoding_message_size(limits::ANSWER_BYTES).sync_chat(request).await
        })
        .await?;
        answer.into_inner().chat.ok_or_else(|| Status::internal("an answer without its chat"))
    }
}

fn read_result(result: Option<send_result::Result>) -> Result<Message, Failure> {
    let status = match result {
        Some(send_result::Result::Message(message)) => return Ok(message),
        Some(send_result::Result::Refusal(SendRefusal { code, message, details })) => {
            Status::with_details(Code::from_i32(code), message, details)
        }
        None => Status::internal("a result without its content"),
    };
    Err(Failure::from_status(&status))
}

/// REST calls go to any replica, but those about one chat to the replica that appends to it.
impl Upstream for Services {
    type Transport = Channel;

    fn transport(&self, service: &'static str, key: Option<RoutingKey<'_>>) -> Channel {
        // Every service of the contract has a target; the gateway itself serves none.
        let target = Target::of_service(service).unwrap_or(Target::Gateway);
        match key.filter(|_| target == Target::Message).and_then(chat_of) {
            Some(chat) => self.directory.for_key(target, chat.as_bytes()),
            None => self.directory.channel(target),
        }
    }
}

/// The chat that a call is about; `None` when it names none, or none that is well formed: then any replica may say so.
fn chat_of(key: RoutingKey<'_>) -> Option<ChatId> {
    match key.field {
        "chat_id" => key.value.parse().ok(),
        "message_id" => key.value.parse().ok().map(|message: MessageId| message.chat_id),
        _ => None,
    }
}

/// The ids among texts that another service sent; what is none is left out and logged.
fn ids<'a, T: std::str::FromStr>(texts: impl Iterator<Item = &'a str>) -> Vec<T> {
    texts
        .filter_map(|text| text.parse().inspect_err(|_| tracing::error!("a service answered a malformed id")).ok())
        .collect()
}
