//! What this service asks of others.

use std::collections::HashMap;

use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::auth::v1::{GetUsersRequest, ListRevocationsRequest};
use godwit_contract::chat::v1::ListMembersRequest;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::message::v1::GetMessagesRequest;
use godwit_contract::message::v1::message_internal_service_client::MessageInternalServiceClient;
use godwit_kernel::{ChatId, MessageId, SessionId, UserId, limits};
use godwit_rpc::{Channel, Directory, Target, retry_idempotent};
use tonic::{Code, Status};

use crate::domain::Content;
use crate::error::Error;

/// The services that this one calls.
#[derive(Clone)]
pub struct Peers {
    chat: ChatInternalServiceClient<Channel>,
    auth: AuthInternalServiceClient<Channel>,
    message: MessageInternalServiceClient<Channel>,
}

/// Some members of a chat.
pub struct MemberPage {
    /// In id order.
    pub user_ids: Vec<UserId>,
    /// Where the next page begins; none after the last.
    pub next_after: Option<String>,
}

impl Peers {
    /// The services of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self {
            chat: ChatInternalServiceClient::new(directory.channel(Target::Chat)),
            auth: AuthInternalServiceClient::new(directory.channel(Target::Auth)),
            message: MessageInternalServiceClient::new(directory.channel(Target::Message)),
        }
    }

    /// The members of a chat after a member; of a chat that does not exist there are none.
    ///
    /// # Errors
    /// When the chat service does not answer.
    pub async fn list_members(&self, chat_id: ChatId, after_user_id: String) -> Result<MemberPage, Error> {
        let request =
            ListMembersRequest { chat_id: chat_id.to_string(), after_user_id, limit: limits::INTERNAL_PAGE_MAX };
        let answer = retry_idempotent(|| {
            let (mut client, request) = (self.chat.clone(), request.clone());
            async move { client.list_members(request).await }
        });
        let page = match answer.await {
            Ok(page) => page.into_inner(),
            Err(status) if status.code() == Code::NotFound => {
                return Ok(MemberPage { user_ids: Vec::new(), next_after: None });
            }
            Err(status) => return Err(failed(Target::Chat, status)),
        };
        let next_after = page.user_ids.last().filter(|_| page.has_more).cloned();
        Ok(MemberPage { user_ids: page.user_ids.iter().filter_map(|id| id.parse().ok()).collect(), next_after })
    }

    /// The display names of users; those who are unknown or deleted are absent.
    ///
    /// # Errors
    /// When the auth service does not answer.
    pub async fn display_names(&self, user_ids: &[UserId]) -> Result<HashMap<UserId, String>, Error> {
        let mut names = HashMap::new();
        for chunk in user_ids.chunks(limits::BATCH_IDS_MAX) {
            let request =
                GetUsersRequest { user_ids: chunk.iter().map(UserId::to_string).collect(), viewer_id: String::new() };
            let answer = retry_idempotent(|| {
                let (mut client, request) = (self.auth.clone(), request.clone());
                async move { client.get_users(request).await }
            });
            let users = answer.await.map_err(|status| failed(Target::Auth, status))?.into_inner().users;
            let known = users.into_iter().filter(|user| !user.is_deleted);
            names.extend(known.filter_map(|user| Some((user.id.parse().ok()?, user.display_name))));
        }
        Ok(names)
    }

    /// What messages say now; those that are deleted or unknown are absent.
    ///
    /// # Errors
    /// When the message service does not answer.
    pub async fn contents(&self, message_ids: &[MessageId]) -> Result<Vec<Content>, Error> {
        let mut contents = Vec::with_capacity(message_ids.len());
        for chunk in message_ids.chunks(limits::BATCH_IDS_MAX) {
            let request = GetMessagesRequest { message_ids: chunk.iter().map(MessageId::to_string).collect() };
            let answer = retry_idempotent(|| {
                let (mut client, request) = (self.message.clone(), request.clone());
                async move { client.get_messages(request).await }
            });
            let messages = answer.await.map_err(|status| failed(Target::Message, status))?.into_inner().messages;
            contents.extend(messages.into_iter().filter(|message| !message.is_deleted).filter_map(|message| {
                let (id, sender_id) = (message.id.parse().ok()?, message.sender_id.parse().ok()?);
                Some(Content { id, sender_id, text: message.text })
            }));
        }
        Ok(contents)
    }

    /// The sessions that are over and whose access tokens may still be within their life.
    ///
    /// # Errors
    /// When the auth service does not answer.
    pub async fn revoked_sessions(&self) -> Result<Vec<SessionId>, Error> {
        let mut all = Vec::new();
        let mut after_session_id = String::new();
        loop {
            let request = ListRevocationsRequest { after_session_id, ..ListRevocationsRequest::default() };
            let answer = retry_idempotent(|| {
                let (mut client, request) = (self.auth.clone(), request.clone());
                async move { client.list_revocations(request).await }
            });
            let page = answer.await.map_err(|status| failed(Target::Auth, status))?.into_inner();
            all.extend(page.revocations.iter().filter_map(|ended| ended.session_id.parse::<SessionId>().ok()));
            match page.revocations.into_iter().next_back() {
                Some(last) if page.has_more => after_session_id = last.session_id,
                _ => return Ok(all),
            }
        }
    }
}

fn failed(target: Target, status: Status) -> Error {
    Error::Peer { target, status: Box::new(status) }
}
