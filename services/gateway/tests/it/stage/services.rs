use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use godwit_contract::auth::v1::auth_internal_service_server::{AuthInternalService, AuthInternalServiceServer};
use godwit_contract::auth::v1::auth_service_server::{AuthService, AuthServiceServer};
use godwit_contract::auth::v1::user_service_server::{UserService, UserServiceServer};
use godwit_contract::auth::v1::*;
use godwit_contract::call::v1::call_relay_service_server::{CallRelayService, CallRelayServiceServer};
use godwit_contract::call::v1::{
    ConnectedDevice, RelaySignalRequest, RelaySignalResponse, ReportDevicesRequest, ReportDevicesResponse,
};
use godwit_contract::chat::v1::chat_internal_service_server::{ChatInternalService, ChatInternalServiceServer};
use godwit_contract::chat::v1::chat_service_server::{ChatService, ChatServiceServer};
use godwit_contract::chat::v1::*;
use godwit_contract::media::v1::media_stream_internal_service_server::MediaStreamInternalServiceServer;
use godwit_contract::message::v1::message_internal_service_server::{
    MessageInternalService, MessageInternalServiceServer,
};
use godwit_contract::message::v1::message_service_server::{MessageService, MessageServiceServer};
use godwit_contract::message::v1::reaction_service_server::ReactionServiceServer;
use godwit_contract::message::v1::receipt_service_server::ReceiptServiceServer;
use godwit_contract::message::v1::*;
use godwit_contract::presence::v1::presence_internal_service_server::{
    PresenceInternalService, PresenceInternalServiceServer,
};
use godwit_contract::presence::v1::presence_watch_service_server::{PresenceWatchService, PresenceWatchServiceServer};
use godwit_contract::presence::v1::{
    ReportNodeRequest, ReportNodeResponse, WatchPresenceRequest, WatchPresenceResponse,
};
use godwit_contract::v1::call_signal::Content;
use godwit_contract::v1::{CallSignal, Message, Presence, User};
use godwit_kernel::{ChatId, Clock as _, SessionId, UserId};
use godwit_rpc::{Caller, FieldViolation, InvalidField, ServiceError, to_status};
use godwit_testkit::TestClock;
use parking_lot::Mutex;
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use super::Signer;

pub(super) type Answer<T> = Result<Response<T>, Status>;

/// Stand-ins for all services, and what they were asked.
#[derive(Clone)]
pub struct Services {
    pub signer: Arc<Signer>,
    pub members: Arc<Mutex<BTreeMap<ChatId, HashSet<UserId>>>>,
    pub clock: Arc<TestClock>,
    /// Sessions that ended, and when.
    pub revoked: Arc<Mutex<BTreeMap<SessionId, OffsetDateTime>>>,
    /// What was asked of them.
    pub revocation_asks: Arc<Mutex<Vec<ListRevocationsRequest>>>,
    /// They are not told.
    pub hides_revocations: Arc<AtomicBool>,
    /// Nobody tells a user's chats.
    pub hides_chats: Arc<AtomicBool>,
    pub key_fetches: Arc<AtomicUsize>,
    /// The keys cannot be had.
    pub hides_keys: Arc<AtomicBool>,
    pub sent: Arc<Mutex<Vec<SendMessageRequest>>>,
    /// How many messages came together, each time.
    pub bunches: Arc<Mutex<Vec<usize>>>,
    /// A text that starts with `wait` takes one of these.
    pub sends: Arc<Semaphore>,
    /// A sync from the cursor `wait` takes one of these.
    pub syncs: Arc<Semaphore>,
    /// Told when a text waits.
    pub held: Arc<Notify>,
    pub reports: Arc<Mutex<Vec<ReportNodeRequest>>>,
    /// The next report is answered by asking for all.
    pub ask_for_all: Arc<Mutex<bool>>,
    pub clients: Arc<Mutex<Vec<Option<std::net::IpAddr>>>>,
    /// What was done to messages and cursors.
    pub actions: Arc<Mutex<Vec<String>>>,
    /// With what deletions were proven.
    pub proofs: Arc<Mutex<Vec<String>>>,
    /// What members may do in chats that are not groups of three.
    pub policies: Arc<Mutex<BTreeMap<ChatId, GetPostingPolicyResponse>>>,
    pub policy_asks: Arc<AtomicUsize>,
    pub watches: Arc<Mutex<Vec<WatchPresenceRequest>>>,
    pub signals: Arc<Mutex<Vec<RelaySignalRequest>>>,
    pub devices: Arc<Mutex<Vec<ConnectedDevice>>>,
    pub files: super::media::Files,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            signer: Arc::default(),
            members: Arc::default(),
            clock: Arc::default(),
            revoked: Arc::default(),
            revocation_asks: Arc::default(),
            hides_revocations: Arc::default(),
            hides_chats: Arc::default(),
            key_fetches: Arc::default(),
            hides_keys: Arc::default(),
            sent: Arc::default(),
            bunches: Arc::default(),
            sends: Arc::new(Semaphore::new(0)),
            syncs: Arc::new(Semaphore::new(0)),
            held: Arc::default(),
            reports: Arc::default(),
            ask_for_all: Arc::default(),
            clients: Arc::default(),
            actions: Arc::default(),
            proofs: Arc::default(),
            policies: Arc::default(),
            policy_asks: Arc::default(),
            watches: Arc::default(),
            signals: Arc::default(),
            devices: Arc::default(),
            files: super::media::Files::default(),
        }
    }
}

impl Services {
    pub fn routes(&self) -> Routes {
        Routes::new(AuthServiceServer::new(self.clone()))
            .add_service(UserServiceServer::new(self.clone()))
            .add_service(AuthInternalServiceServer::new(self.clone()))
            .add_service(ChatServiceServer::new(self.clone()))
            .add_service(ChatInternalServiceServer::new(self.clone()))
            .add_service(MessageServiceServer::new(self.clone()))
            .add_service(MessageInternalServiceServer::new(self.clone()))
            .add_service(ReactionServiceServer::new(self.clone()))
            .add_service(ReceiptServiceServer::new(self.clone()))
            .add_service(PresenceInternalServiceServer::new(self.clone()))
            .add_service(PresenceWatchServiceServer::new(self.clone()))
            .add_service(CallRelayServiceServer::new(self.clone()))
            .add_service(
                MediaStreamInternalServiceServer::new(self.files.clone()).max_decoding_message_size(16 * 1024 * 1024),
            )
    }

    /// Ends a session now, and tells nobody.
    pub fn revoke(&self, caller: &Caller) {
        self.revoked.lock().insert(caller.session_id, self.clock.now());
    }

    pub fn add_member(&self, chat: ChatId, caller: &Caller) {
        self.members.lock().entry(chat).or_default().insert(caller.user_id);
    }

    pub fn remove_member(&self, chat: ChatId, caller: &Caller) {
        self.members.lock().entry(chat).or_default().remove(&caller.user_id);
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("The e-mail address is taken.")]
    Taken,
    #[error("The table is gone.")]
    Broken,
    #[error("Come back later.")]
    Busy,
    #[error(transparent)]
    Invalid(#[from] InvalidField),
}

impl ServiceError for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Taken => Code::AlreadyExists,
            Self::Broken => Code::Internal,
            Self::Busy => Code::ResourceExhausted,
            Self::Invalid(field) => field.code(),
        }
    }
    fn reason(&self) -> &'static str {
        match self {
            Self::Taken => "EMAIL_TAKEN",
            Self::Broken => "TABLE_GONE",
            Self::Busy => "BUSY",
            Self::Invalid(field) => field.reason(),
        }
    }
    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(field) => field.fields(),
            _ => vec![],
        }
    }
    fn retry_after(&self) -> Option<std::time::Duration> {
        matches!(self, Self::Busy).then(|| std::time::Duration::from_secs(7))
    }
}

#[tonic::async_trait]
impl AuthService for Services {
    async fn register(&self, request: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        self.clients.lock().push(godwit_rpc::client_address(&request));
        match request.get_ref().username.as_str() {
            "taken" => Err(to_status(Refusal::Taken)),
            "broken" => Err(to_status(Refusal::Broken)),
            "busy" => Err(to_status(Refusal::Busy)),
            "away" => Err(Status::unavailable("connect to 10.1.2.3 refused")),
            "invalid" => Err(to_status(Refusal::from(InvalidField::new("username", "is not a name")))),
            _ => Ok(Response::new(RegisterResponse { code_expires_in_secs: 900 })),
        }
    }
    async fn verify_email(&self, _: Request<VerifyEmailRequest>) -> Answer<VerifyEmailResponse> {
        Err(Status::unimplemented(""))
    }
    async fn resend_code(&self, _: Request<ResendCodeRequest>) -> Answer<ResendCodeResponse> {
        Err(Status::unimplemented(""))
    }
    async fn login(&self, _: Request<LoginRequest>) -> Answer<LoginResponse> {
        Ok(Response::new(LoginResponse::default()))
    }
    async fn refresh(&self, request: Request<RefreshRequest>) -> Answer<RefreshResponse> {
        // Open calls have no caller, whatever was sent.
        match Caller::of(&request) {
            Ok(_) => Err(Status::internal("an open call has a caller")),
            Err(_) => Ok(Response::new(RefreshResponse::default())),
        }
    }
    async fn logout(&self, request: Request<LogoutRequest>) -> Answer<LogoutResponse> {
        self.revoke(&Caller::of(&request)?);
        Ok(Response::new(LogoutResponse {}))
    }
    async fn list_keys(&self, _: Request<ListKeysRequest>) -> Answer<ListKeysResponse> {
        self.key_fetches.fetch_add(1, Ordering::SeqCst);
        if self.hides_keys.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        Ok(Response::new(ListKeysResponse { keys: vec![self.signer.key()] }))
    }
    async fn logout_all(&self, request: Request<LogoutAllRequest>) -> Answer<LogoutAllResponse> {
        Caller::of(&request)?;
        Ok(Response::new(LogoutAllResponse {}))
    }
    async fn list_sessions(&self, _: Request<ListSessionsRequest>) -> Answer<ListSessionsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn revoke_session(&self, request: Request<RevokeSessionRequest>) -> Answer<RevokeSessionResponse> {
        Caller::of(&request)?;
        match request.get_ref().session_id.as_str() {
            "00000000-0000-7000-8000-000000000000" => Err(Status::not_found("no such session")),
            _ => Ok(Response::new(RevokeSessionResponse {})),
        }
    }
    async fn list_logins(&self, _: Request<ListLoginsRequest>) -> Answer<ListLoginsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn forgot_password(&self, _: Request<ForgotPasswordRequest>) -> Answer<ForgotPasswordResponse> {
        Ok(Response::new(ForgotPasswordResponse::default()))
    }
    async fn reset_password(&self, _: Request<ResetPasswordRequest>) -> Answer<ResetPasswordResponse> {
        Err(Status::unimplemented(""))
    }
    async fn setup_two_factor(&self, _: Request<SetupTwoFactorRequest>) -> Answer<SetupTwoFactorResponse> {
        Err(Status::unimplemented(""))
    }
    async fn confirm_two_factor(&self, _: Request<ConfirmTwoFactorRequest>) -> Answer<ConfirmTwoFactorResponse> {
        Err(Status::unimplemented(""))
    }
    async fn verify_two_factor(&self, _: Request<VerifyTwoFactorRequest>) -> Answer<VerifyTwoFactorResponse> {
        Ok(Response::new(VerifyTwoFactorResponse::default()))
    }
    async fn disable_two_factor(&self, request: Request<DisableTwoFactorRequest>) -> Answer<DisableTwoFactorResponse> {
        Caller::of(&request)?;
        let DisableTwoFactorRequest { password, code } = request.into_inner();
        self.proofs.lock().push(format!("{password} {code}"));
        Ok(Response::new(DisableTwoFactorResponse {}))
    }
}

#[tonic::async_trait]
impl UserService for Services {
    async fn get_me(&self, request: Request<GetMeRequest>) -> Answer<GetMeResponse> {
        let caller = Caller::of(&request)?;
        let user = User { id: caller.user_id.to_string(), ..User::default() };
        Ok(Response::new(GetMeResponse { user: Some(user), ..GetMeResponse::default() }))
    }
    async fn update_me(&self, _: Request<UpdateMeRequest>) -> Answer<UpdateMeResponse> {
        Err(Status::unimplemented(""))
    }
    async fn delete_me(&self, request: Request<DeleteMeRequest>) -> Answer<DeleteMeResponse> {
        Caller::of(&request)?;
        let password = request.into_inner().password;
        if password.is_empty() {
            return Err(to_status(InvalidField::new("password", "is missing")));
        }
        self.proofs.lock().push(password);
        Ok(Response::new(DeleteMeResponse {}))
    }
    async fn change_password(&self, _: Request<ChangePasswordRequest>) -> Answer<ChangePasswordResponse> {
        Err(Status::unimplemented(""))
    }
    async fn set_avatar(&self, _: Request<SetAvatarRequest>) -> Answer<SetAvatarResponse> {
        Err(Status::unimplemented(""))
    }
    async fn remove_avatar(&self, _: Request<RemoveAvatarRequest>) -> Answer<RemoveAvatarResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_privacy(&self, _: Request<GetPrivacyRequest>) -> Answer<GetPrivacyResponse> {
        Err(Status::unimplemented(""))
    }
    async fn update_privacy(&self, _: Request<UpdatePrivacyRequest>) -> Answer<UpdatePrivacyResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_user(&self, _: Request<GetUserRequest>) -> Answer<GetUserResponse> {
        Err(Status::not_found("no such user"))
    }
    async fn get_user_by_username(&self, _: Request<GetUserByUsernameRequest>) -> Answer<GetUserByUsernameResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl AuthInternalService for Services {
    async fn get_users(&self, _: Request<GetUsersRequest>) -> Answer<GetUsersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn check_access(&self, _: Request<CheckAccessRequest>) -> Answer<CheckAccessResponse> {
        Err(Status::unimplemented(""))
    }
    async fn list_revocations(&self, request: Request<ListRevocationsRequest>) -> Answer<ListRevocationsResponse> {
        if self.hides_revocations.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let request = request.into_inner();
        let since = request.revoked_since.as_ref().and_then(godwit_rpc::instant);
        // Two a page, so that pages are followed.
        let revoked = self.revoked.lock();
        let wanted = revoked.iter().filter(|(session, at)| {
            session.to_string() > request.after_session_id && since.is_none_or(|since| **at >= since)
        });
        let mut revocations: Vec<Revocation> = wanted
            .map(|(session, _)| Revocation { session_id: session.to_string(), ..Revocation::default() })
            .take(3)
            .collect();
        let has_more = revocations.len() > 2;
        revocations.truncate(2);
        drop(revoked);
        self.revocation_asks.lock().push(request);
        Ok(Response::new(ListRevocationsResponse { revocations, has_more }))
    }
    async fn resolve_usernames(&self, _: Request<ResolveUsernamesRequest>) -> Answer<ResolveUsernamesResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl ChatService for Services {
    async fn create_direct_chat(&self, request: Request<CreateDirectChatRequest>) -> Answer<CreateDirectChatResponse> {
        Caller::of(&request)?;
        Ok(Response::new(CreateDirectChatResponse::default()))
    }
    async fn list_chats(&self, request: Request<ListChatsRequest>) -> Answer<ListChatsResponse> {
        Caller::of(&request)?;
        Ok(Response::new(ListChatsResponse::default()))
    }
    async fn get_chat(&self, _: Request<GetChatRequest>) -> Answer<GetChatResponse> {
        Err(Status::not_found("no such chat"))
    }
    async fn get_saved_messages(&self, _: Request<GetSavedMessagesRequest>) -> Answer<GetSavedMessagesResponse> {
        Err(Status::unimplemented(""))
    }
    async fn create_group(&self, _: Request<CreateGroupRequest>) -> Answer<CreateGroupResponse> {
        Err(Status::unimplemented(""))
    }
    async fn update_chat(&self, _: Request<UpdateChatRequest>) -> Answer<UpdateChatResponse> {
        Err(Status::unimplemented(""))
    }
    async fn delete_chat(&self, _: Request<DeleteChatRequest>) -> Answer<DeleteChatResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl ChatInternalService for Services {
    async fn get_posting_policy(&self, request: Request<GetPostingPolicyRequest>) -> Answer<GetPostingPolicyResponse> {
        let GetPostingPolicyRequest { chat_id, user_id } = request.into_inner();
        let (chat, user) = (chat_id.parse().unwrap(), user_id.parse().unwrap());
        let is_member = self.members.lock().get(&chat).is_some_and(|members| members.contains(&user));
        self.policy_asks.fetch_add(1, Ordering::SeqCst);
        let usual = GetPostingPolicyResponse {
            may_post: true,
            membership_version: 1,
            kind: godwit_contract::v1::ChatKind::Group.into(),
            member_count: 3,
            ..GetPostingPolicyResponse::default()
        };
        let policy = self.policies.lock().get(&chat).cloned().unwrap_or(usual);
        Ok(Response::new(GetPostingPolicyResponse { is_member, may_post: is_member && policy.may_post, ..policy }))
    }
    async fn list_chat_ids(&self, request: Request<ListChatIdsRequest>) -> Answer<ListChatIdsResponse> {
        if self.hides_chats.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        // Two a page, so that pages are followed.
        let ListChatIdsRequest { user_id, after_chat_id, .. } = request.into_inner();
        let user = user_id.parse().unwrap();
        let members = self.members.lock();
        let mine = members.iter().filter(|(_, members)| members.contains(&user)).map(|(chat, _)| chat.to_string());
        let mut rest: Vec<String> = mine.filter(|chat| *chat > after_chat_id).collect();
        let has_more = rest.len() > 2;
        rest.truncate(2);
        Ok(Response::new(ListChatIdsResponse { chat_ids: rest, has_more }))
    }
    async fn list_members(&self, _: Request<ListMembersRequest>) -> Answer<ListMembersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn list_direct_peers(&self, _: Request<ListDirectPeersRequest>) -> Answer<ListDirectPeersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn set_direct_block(&self, _: Request<SetDirectBlockRequest>) -> Answer<SetDirectBlockResponse> {
        Err(Status::unimplemented(""))
    }
    async fn open_saved_messages(&self, _: Request<OpenSavedMessagesRequest>) -> Answer<OpenSavedMessagesResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl MessageService for Services {
    async fn send_message(&self, request: Request<SendMessageRequest>) -> Answer<SendMessageResponse> {
        let sender_id = Caller::of(&request)?.user_id.to_string();
        let request = request.into_inner();
        if request.text.is_empty() {
            return Err(to_status(InvalidField::new("text", "is empty")));
        }
        if request.text.starts_with("wait") {
            self.held.notify_one();
            self.sends.acquire().await.unwrap().forget();
        }
        let mut sent = self.sent.lock();
        sent.push(request.clone());
        let SendMessageRequest { chat_id, client_message_id, text, .. } = request;
        let seq = u64::try_from(sent.len()).unwrap();
        let message = Message { chat_id, client_message_id, text, sender_id, seq, ..Message::default() };
        Ok(Response::new(SendMessageResponse { message: Some(message), scheduled: None }))
    }
    async fn list_messages(&self, _: Request<ListMessagesRequest>) -> Answer<ListMessagesResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_message(&self, _: Request<GetMessageRequest>) -> Answer<GetMessageResponse> {
        Err(Status::unimplemented(""))
    }
    async fn sync_chat(&self, request: Request<SyncChatRequest>) -> Answer<SyncChatResponse> {
        let SyncChatRequest { chat_id, after_seq, epoch, .. } = request.into_inner();
        let chat = ChatUpdates { chat_id, head_seq: after_seq + 1, epoch, ..ChatUpdates::default() };
        Ok(Response::new(SyncChatResponse { chat: Some(chat) }))
    }
    async fn sync(&self, request: Request<SyncRequest>) -> Answer<SyncResponse> {
        if request.into_inner().cursor == "wait" {
            self.syncs.acquire().await.unwrap().forget();
        }
        Ok(Response::new(SyncResponse::default()))
    }
    async fn forward_messages(&self, _: Request<ForwardMessagesRequest>) -> Answer<ForwardMessagesResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_message_history(&self, _: Request<GetMessageHistoryRequest>) -> Answer<GetMessageHistoryResponse> {
        Err(Status::unimplemented(""))
    }
    async fn report_message(&self, _: Request<ReportMessageRequest>) -> Answer<ReportMessageResponse> {
        Err(Status::unimplemented(""))
    }
    async fn edit_message(&self, request: Request<EditMessageRequest>) -> Answer<EditMessageResponse> {
        let sender_id = Caller::of(&request)?.user_id.to_string();
        let EditMessageRequest { message_id, text, .. } = request.into_inner();
        self.actions.lock().push(format!("edit {message_id} {text}"));
        let message = Message { id: message_id, text, sender_id, edit_count: 1, ..Message::default() };
        Ok(Response::new(EditMessageResponse { message: Some(message) }))
    }
    async fn delete_message(&self, request: Request<DeleteMessageRequest>) -> Answer<DeleteMessageResponse> {
        Caller::of(&request)?;
        let DeleteMessageRequest { message_id, is_for_me_only } = request.into_inner();
        self.actions.lock().push(format!("delete {message_id} {is_for_me_only}"));
        Ok(Response::new(DeleteMessageResponse {}))
    }
}

#[tonic::async_trait]
impl MessageInternalService for Services {
    async fn send_messages(&self, request: Request<SendMessagesRequest>) -> Answer<SendMessagesResponse> {
        let caller = Caller::of(&request)?;
        let SendMessagesRequest { chat_id, messages } = request.into_inner();
        self.bunches.lock().push(messages.len());
        let mut results = Vec::new();
        for message in messages {
            let OutgoingMessage { client_message_id, text, entities, media_ids, reply_to_message_id, is_silent } =
                message;
            let mut request = Request::new(SendMessageRequest {
                chat_id: chat_id.clone(),
                client_message_id,
                text,
                entities,
                media_ids,
                reply_to_message_id,
                is_silent,
                send_at: None,
            });
            caller.attach(&mut request);
            let result = match self.send_message(request).await {
                Ok(answer) => send_result::Result::Message(answer.into_inner().message.unwrap()),
                Err(status) => send_result::Result::Refusal(SendRefusal {
                    code: status.code().into(),
                    message: status.message().to_owned(),
                    details: status.details().to_vec().into(),
                }),
            };
            results.push(SendResult { result: Some(result) });
        }
        Ok(Response::new(SendMessagesResponse { results }))
    }
    async fn append_update(&self, _: Request<AppendUpdateRequest>) -> Answer<AppendUpdateResponse> {
        Err(Status::unimplemented(""))
    }
    async fn raise_membership_version(
        &self,
        _: Request<RaiseMembershipVersionRequest>,
    ) -> Answer<RaiseMembershipVersionResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_heads(&self, _: Request<GetHeadsRequest>) -> Answer<GetHeadsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn rank_chats(&self, _: Request<RankChatsRequest>) -> Answer<RankChatsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn clear_history(&self, _: Request<ClearHistoryRequest>) -> Answer<ClearHistoryResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_messages(&self, _: Request<GetMessagesRequest>) -> Answer<GetMessagesResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl PresenceInternalService for Services {
    async fn report_node(&self, request: Request<ReportNodeRequest>) -> Answer<ReportNodeResponse> {
        self.reports.lock().push(request.into_inner());
        let resend_all = std::mem::take(&mut *self.ask_for_all.lock());
        Ok(Response::new(ReportNodeResponse { lease_ms: 3_000, resend_all }))
    }
}

#[tonic::async_trait]
impl PresenceWatchService for Services {
    /// Everybody is online, but for whom nobody asked by an id.
    async fn watch_presence(&self, request: Request<WatchPresenceRequest>) -> Answer<WatchPresenceResponse> {
        let request = request.into_inner();
        let online = |user_id: &String| Presence { user_id: user_id.clone(), status: 1, ..Presence::default() };
        let presences = request.watched_user_ids.iter().map(online).collect();
        self.watches.lock().push(request);
        Ok(Response::new(WatchPresenceResponse { presences }))
    }
}

#[tonic::async_trait]
impl CallRelayService for Services {
    async fn relay_signal(&self, request: Request<RelaySignalRequest>) -> Answer<RelaySignalResponse> {
        Caller::of(&request)?;
        if request.get_ref().call_id == "none" {
            return Err(Status::not_found("no such call"));
        }
        // Who passed on a candidate beside its description would have it here first.
        if matches!(request.get_ref().signal, Some(CallSignal { content: Some(Content::Offer(_)) })) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.signals.lock().push(request.into_inner());
        Ok(Response::new(RelaySignalResponse {}))
    }

    async fn report_devices(&self, request: Request<ReportDevicesRequest>) -> Answer<ReportDevicesResponse> {
        self.devices.lock().extend(request.into_inner().devices);
        Ok(Response::new(ReportDevicesResponse {}))
    }
}
