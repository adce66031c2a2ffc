//! What this service asks of others.

mod audience;
mod listeners;
mod presence;
mod rest;
mod unread;

pub use listeners::Listeners;

use std::collections::{HashMap, HashSet};

use godwit_contract::auth::v1::auth_internal_service_client::AuthInternalServiceClient;
use godwit_contract::auth::v1::{AccessAction, GetUsersRequest, ListRevocationsRequest};
use godwit_contract::chat::v1::ListMembersRequest;
use godwit_contract::chat::v1::chat_internal_service_client::ChatInternalServiceClient;
use godwit_contract::chat::v1::listener_internal_service_client::ListenerInternalServiceClient;
use godwit_contract::message::v1::GetMessagesRequest;
use godwit_contract::message::v1::message_internal_service_client::MessageInternalServiceClient;
use godwit_contract::presence::v1::foreground_internal_service_client::ForegroundInternalServiceClient;
use godwit_kernel::{ChatId, MessageId, SessionId, UserId, limits};
use godwit_rpc::{Access, AccessChecks, Channel, Directory, Target, instant, retry_idempotent};
use tonic::{Code, Status};

use self::rest::Rest;
use crate::domain::Content;
use crate::error::Error;

/// The services that this one calls.
#[derive(Clone)]
pub struct Peers {
    chat: ChatInternalServiceClient<Channel>,
    auth: AuthInternalServiceClient<Channel>,
    message: MessageInternalServiceClient<Channel>,
    listeners: ListenerInternalServiceClient<Channel>,
    foreground: ForegroundInternalServiceClient<Channel>,
    access: AccessChecks,
    presence_rest: Rest,
    chat_rest: Rest,
}

/// Some members of a chat.
pub struct MemberPage {
    /// In id order.
    pub user_ids: Vec<UserId>,
    /// Where the next page begins; none after the last.
    pub next_after: Option<UserId>,
}

impl Peers {
    /// The services of the directory.
    pub fn new(directory: &Directory) -> Self {
        Self {
            chat: ChatInternalServiceClient::new(directory.channel(Target::Chat)),
            auth: AuthInternalServiceClient::new(directory.channel(Target::Auth)),
            message: MessageInternalServiceClient::new(directory.channel(Target::Message))
                .max_decoding_message_size(limits::ANSWER_BYTES),
            listeners: ListenerInternalServiceClient::new(directory.channel(Target::Chat)),
            foreground: ForegroundInternalServiceClient::new(directory.channel(Target::Presence)),
            access: AccessChecks::new(directory),
            presence_rest: Rest::default(),
            chat_rest: Rest::default(),
        }
    }

    /// The members of a chat after a member; of a chat that does not exist there are none.
    ///
    /// # Errors
    /// When the chat service does not answer.
    pub async fn list_members(&self, chat_id: ChatId, after: Option<UserId>, limit: u32) -> Result<MemberPage, Error> {
        let after_user_id = after.map(|user| user.to_string()).unwrap_or_default();
        let request = ListMembersRequest { chat_id: chat_id.to_string(), after_user_id, limit };
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
        let user_ids: Vec<UserId> = page.user_ids.iter().filter_map(|id| id.parse().ok()).collect();
        let next_after = user_ids.last().copied().filter(|_| page.has_more);
        Ok(MemberPage { user_ids, next_after })
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
                let sent_at = message.sent_at.as_ref().and_then(instant)?;
                let attachment_count = u32::try_from(message.attachments.len()).unwrap_or(u32::MAX);
                let is_silent = message.is_silent;
                Some(Content { id, sender_id, text: message.text, attachment_count, sent_at, is_silent })
            }));
        }
        Ok(contents)
    }

    /// Those of these pairs of sender and recipient where one blocks the other.
    ///
    /// # Errors
    /// When the auth service does not answer.
    pub async fn blocked_among(&self, couples: &[(UserId, UserId)]) -> Result<HashSet<(UserId, UserId)>, Error> {
        if couples.is_empty() {
            return Ok(HashSet::new());
        }
        let answers = self.access.check_all(AccessAction::Message, couples).await;
        let answers = answers.map_err(|status| failed(Target::Auth, status))?;
        let judged = couples.iter().copied().zip(answers);
        Ok(judged.filter(|(_, access)| *access == Access::Blocked).map(|(couple, _)| couple).collect())
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
