//! The auth, message and media services, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::{AuthInternalService, AuthInternalServiceServer};
use godwit_contract::auth::v1::{
    AccessAction, AccessAnswer, CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse,
    ListRevocationsRequest, ListRevocationsResponse, ResolveUsernamesRequest, ResolveUsernamesResponse,
};
use godwit_contract::media::v1::media_internal_service_server::{MediaInternalService, MediaInternalServiceServer};
use godwit_contract::media::v1::{
    DescribeAttachmentsRequest, DescribeAttachmentsResponse, SetAvatarRequest, SetAvatarResponse,
};
use godwit_contract::message::v1::message_internal_service_server::{
    MessageInternalService, MessageInternalServiceServer,
};
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ChatHead, ChatRank, ClearHistoryRequest, ClearHistoryResponse,
    GetHeadsRequest, GetHeadsResponse, GetMessagesRequest, GetMessagesResponse, RaiseMembershipVersionRequest,
    RaiseMembershipVersionResponse, RankChatsRequest, RankChatsResponse, SendMessagesRequest, SendMessagesResponse,
};
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{ChatId, MediaId, SystemClock, SystemEntropy, UserId};
use godwit_rpc::{Directory, LocalRoutes, ServerLayer, Target, timestamp};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tonic::service::Routes;
use tonic::{Request, Response, Status, async_trait};

/// How the message service answers an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Appends {
    #[default]
    Answered,
    /// Not taken.
    Down,
    /// Taken, and the answer is lost.
    Unanswered,
    /// Not taken, and never will be.
    Refused,
}

#[derive(Default)]
struct State {
    users: BTreeSet<UserId>,
    deleted: BTreeSet<UserId>,
    /// Who may not write to whom, and why.
    refusals: BTreeMap<(UserId, UserId), &'static str>,
    is_auth_down: bool,
    appends: Appends,
    attempts: u64,
    /// Each event once, in the order in which they first came.
    log: Vec<AppendUpdateRequest>,
    /// The raises with somebody who came or went, in the order in which they came.
    raises: Vec<RaiseMembershipVersionRequest>,
    last_messages: BTreeMap<ChatId, pb::Message>,
    /// Of the newest message, or of the log's begin: a number that grows with each.
    active: BTreeMap<String, i64>,
    ticks: i64,
    cleared: Vec<(String, String)>,
    /// Uploads: whose, and of which type.
    media: BTreeMap<(UserId, MediaId), &'static str>,
    /// The versions that the logs know, of chats whose log has begun.
    versions: BTreeMap<String, u64>,
    /// Logs do not know where their viewers stand.
    knows_nobody: bool,
    /// Holds up the next question for heads.
    held_heads: Option<Arc<HeldHeads>>,
}

/// A question for heads that is not answered before it may.
#[derive(Default)]
pub struct HeldHeads {
    pub is_asked: Notify,
    pub may_answer: Notify,
}

#[derive(Clone, Default)]
pub struct Neighbours(Arc<Mutex<State>>);

impl Neighbours {
    /// Where they are.
    pub fn directory(&self) -> Directory {
        let routes = LocalRoutes::new();
        let mut served = Routes::new(AuthInternalServiceServer::new(self.clone()));
        served = served.add_service(MessageInternalServiceServer::new(self.clone()));
        served = served.add_service(MediaInternalServiceServer::new(self.clone()));
        routes.bind(served, &ServerLayer::default());
        Directory::new(routes, [Target::Auth, Target::Message, Target::Media])
    }

    pub fn add_user(&self, user_id: UserId) {
        self.0.lock().unwrap().users.insert(user_id);
    }

    pub fn remove_user(&self, user_id: UserId) {
        self.0.lock().unwrap().users.remove(&user_id);
    }

    /// Deletes an account: its id stays.
    pub fn delete_user(&self, user_id: UserId) {
        self.0.lock().unwrap().deleted.insert(user_id);
    }

    /// From now on `actor` may not write to `target`, for this reason.
    pub fn refuse(&self, actor: UserId, target: UserId, reason: &'static str) {
        self.0.lock().unwrap().refusals.insert((actor, target), reason);
    }

    pub fn set_auth_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_auth_down = is_down;
    }

    /// The version of the member list that a chat's log knows; 0 when it has not begun.
    pub fn version_of(&self, chat_id: &str) -> u64 {
        self.0.lock().unwrap().versions.get(chat_id).copied().unwrap_or_default()
    }

    /// Whether logs do not know where their viewers stand.
    pub fn know_nobody(&self, knows_nobody: bool) {
        self.0.lock().unwrap().knows_nobody = knows_nobody;
    }

    /// Holds up the next question for heads.
    pub fn hold_heads(&self) -> Arc<HeldHeads> {
        let held = Arc::<HeldHeads>::default();
        self.0.lock().unwrap().held_heads = Some(Arc::clone(&held));
        held
    }

    pub fn set_appends(&self, appends: Appends) {
        self.0.lock().unwrap().appends = appends;
    }

    pub fn attempts(&self) -> u64 {
        self.0.lock().unwrap().attempts
    }

    /// What was appended to a chat's log.
    pub fn log_of(&self, chat_id: &str) -> Vec<AppendUpdateRequest> {
        let state = self.0.lock().unwrap();
        let of_chat = |request: &&AppendUpdateRequest| request.update.as_ref().is_some_and(|u| u.chat_id == chat_id);
        state.log.iter().filter(of_chat).cloned().collect()
    }

    /// The changes of a chat's log.
    pub fn changes_of(&self, chat_id: &str) -> Vec<Change> {
        self.log_of(chat_id).into_iter().map(|append| append.update.unwrap().change.unwrap()).collect()
    }

    /// The raises of a chat's version with somebody who came or went.
    pub fn raises_of(&self, chat_id: &str) -> Vec<RaiseMembershipVersionRequest> {
        let state = self.0.lock().unwrap();
        state.raises.iter().filter(|raise| raise.chat_id == chat_id).cloned().collect()
    }

    /// Whose history of which chat was cleared.
    pub fn cleared(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().cleared.clone()
    }

    /// A finished upload of a user.
    pub fn upload_of(&self, user_id: UserId, content_type: &'static str) -> MediaId {
        let media_id = MediaId::generate(&SystemClock, &SystemEntropy);
        self.0.lock().unwrap().media.insert((user_id, media_id), content_type);
        media_id
    }

    pub fn say(&self, chat_id: ChatId, text: &str) -> pb::Message {
        let message = pb::Message { chat_id: chat_id.to_string(), text: text.to_owned(), ..pb::Message::default() };
        let mut state = self.0.lock().unwrap();
        state.last_messages.insert(chat_id, message.clone());
        state.touch(&chat_id.to_string());
        message
    }
}

impl State {
    /// The chat is the most active one now.
    fn touch(&mut self, chat_id: &str) {
        self.ticks += 1;
        self.active.insert(chat_id.to_owned(), self.ticks);
    }

    /// The place of a chat in a chat list, the first the least; `None` without a log.
    fn rank(&self, chat_id: &str) -> Option<(i64, String)> {
        self.active.get(chat_id).map(|active| (-active, chat_id.to_owned()))
    }
}

#[async_trait]
impl AuthInternalService for Neighbours {
    async fn get_users(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        let GetUsersRequest { user_ids, viewer_id } = request.into_inner();
        assert!(user_ids.len() <= 200, "the auth service takes at most 200 ids");
        assert!(!viewer_id.is_empty(), "clients see only what they may");
        let state = self.0.lock().unwrap();
        let known = user_ids.into_iter().filter(|id| state.users.contains(&id.parse().unwrap()));
        let user = |id: String| match state.deleted.contains(&id.parse().unwrap()) {
            true => pb::User { id, is_deleted: true, ..pb::User::default() },
            false => pb::User {
                username: format!("name-{id}"),
                avatar_media_id: format!("of-{id}-for-{viewer_id}"),
                id,
                ..pb::User::default()
            },
        };
        Ok(Response::new(GetUsersResponse { users: known.map(user).collect() }))
    }

    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let state = self.0.lock().unwrap();
        if state.is_auth_down {
            return Err(Status::unavailable("down"));
        }
        assert_eq!(request.get_ref().action(), AccessAction::Message);
        let answers = request.into_inner().pairs.into_iter().map(|pair| {
            let (actor, target) = (pair.actor_id.parse().unwrap(), pair.target_id.parse().unwrap());
            let is_there = state.users.contains(&target) && !state.deleted.contains(&target);
            let reason = if is_there { state.refusals.get(&(actor, target)) } else { Some(&"USER_NOT_FOUND") };
            AccessAnswer { is_allowed: reason.is_none(), reason: (*reason.unwrap_or(&"")).to_owned() }
        });
        Ok(Response::new(CheckAccessResponse { answers: answers.collect() }))
    }

    async fn list_revocations(
        &self,
        _: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        Err(Status::unimplemented("the chat service does not ask this"))
    }

    async fn resolve_usernames(
        &self,
        _: Request<ResolveUsernamesRequest>,
    ) -> Result<Response<ResolveUsernamesResponse>, Status> {
        Err(Status::unimplemented("the chat service does not ask this"))
    }
}

#[async_trait]
impl MessageInternalService for Neighbours {
    async fn send_messages(&self, _: Request<SendMessagesRequest>) -> Result<Response<SendMessagesResponse>, Status> {
        Err(Status::unimplemented("send_messages"))
    }

    async fn append_update(
        &self,
        request: Request<AppendUpdateRequest>,
    ) -> Result<Response<AppendUpdateResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.0.lock().unwrap();
        state.attempts += 1;
        match state.appends {
            Appends::Down => return Err(Status::unavailable("down")),
            Appends::Refused => return Err(Status::invalid_argument("never")),
            Appends::Answered | Appends::Unanswered => {}
        }
        let chat_id = request.update.as_ref().unwrap().chat_id.clone();
        let version = state.versions.entry(chat_id).or_default();
        *version = request.membership_version.max(*version);
        if !state.log.iter().any(|known| known.event_id == request.event_id) {
            let chat_id = request.update.as_ref().unwrap().chat_id.clone();
            if !state.active.contains_key(&chat_id) {
                state.touch(&chat_id);
            }
            state.log.push(request);
        }
        if state.appends == Appends::Unanswered {
            return Err(Status::unavailable("the answer is lost"));
        }
        Ok(Response::new(AppendUpdateResponse { seq: 1, epoch: "epoch".to_owned() }))
    }

    async fn raise_membership_version(
        &self,
        request: Request<RaiseMembershipVersionRequest>,
    ) -> Result<Response<RaiseMembershipVersionResponse>, Status> {
        let request = request.into_inner();
        let RaiseMembershipVersionRequest { chat_id, membership_version, joined_user_ids, left_user_ids } = &request;
        let (chat_id, membership_version) = (chat_id.clone(), *membership_version);
        assert!(joined_user_ids.len() <= 200 && left_user_ids.len() <= 200, "more than the message service takes");
        let mut state = self.0.lock().unwrap();
        state.attempts += 1;
        match state.appends {
            Appends::Down => return Err(Status::unavailable("down")),
            Appends::Refused => return Err(Status::invalid_argument("never")),
            Appends::Answered | Appends::Unanswered => {}
        }
        let is_repeated = state.raises.iter().any(|known| known.left_user_ids == request.left_user_ids);
        if let Some(version) = state.versions.get_mut(&chat_id) {
            let is_new = request.left_user_ids.is_empty() || membership_version > *version;
            assert!(is_new || is_repeated, "who goes raises the version");
            *version = membership_version.max(*version);
        }
        if !(request.joined_user_ids.is_empty() && request.left_user_ids.is_empty()) {
            state.raises.push(request);
        }
        if state.appends == Appends::Unanswered {
            return Err(Status::unavailable("the answer is lost"));
        }
        Ok(Response::new(RaiseMembershipVersionResponse {}))
    }

    async fn get_heads(&self, request: Request<GetHeadsRequest>) -> Result<Response<GetHeadsResponse>, Status> {
        let GetHeadsRequest { chat_ids, viewer_id, with_receipts } = request.into_inner();
        assert!(chat_ids.len() <= 200, "the message service takes at most 200 ids");
        let held = self.0.lock().unwrap().held_heads.take();
        if let Some(held) = held {
            held.is_asked.notify_one();
            held.may_answer.notified().await;
        }
        let heads = chat_ids.into_iter().filter_map(|chat_id| {
            let updates = self.log_of(&chat_id).len();
            let last_message = self.0.lock().unwrap().last_messages.get(&chat_id.parse().unwrap()).cloned();
            // Recognisable numbers, to see that each reaches its field.
            let receipt = pb::Receipt { user_id: viewer_id.clone(), read_seq: 3, delivered_seq: 4 };
            (updates > 0).then(|| ChatHead {
                chat_id,
                last_seq: updates as u64 + u64::from(last_message.is_some()),
                epoch: "epoch".to_owned(),
                last_message,
                unread_count: 11,
                unread_mention_count: 5,
                read_seq: 1,
                pinned_message_ids: vec!["pin".to_owned()],
                receipts: if with_receipts { vec![receipt] } else { Vec::new() },
                visible_from_seq: 2,
                is_viewer_unknown: self.0.lock().unwrap().knows_nobody,
            })
        });
        Ok(Response::new(GetHeadsResponse { heads: heads.collect() }))
    }

    async fn rank_chats(&self, request: Request<RankChatsRequest>) -> Result<Response<RankChatsResponse>, Status> {
        let RankChatsRequest { chat_ids, after, limit } = request.into_inner();
        assert!(chat_ids.len() <= 10_000 && limit <= 201, "more than the message service takes");
        let state = self.0.lock().unwrap();
        let mut ranks: Vec<(i64, String)> = chat_ids.iter().filter_map(|id| state.rank(id)).collect();
        ranks.sort();
        if let Some(ChatRank { chat_id, active_at }) = after {
            let place = (-active_at.unwrap().seconds, chat_id);
            ranks.retain(|rank| *rank > place);
        }
        ranks.truncate(limit as usize);
        let rank = |(place, chat_id): (i64, String)| {
            let active_at = OffsetDateTime::from_unix_timestamp(-place).unwrap();
            ChatRank { chat_id, active_at: Some(timestamp(active_at)) }
        };
        Ok(Response::new(RankChatsResponse { ranks: ranks.into_iter().map(rank).collect() }))
    }

    async fn clear_history(
        &self,
        request: Request<ClearHistoryRequest>,
    ) -> Result<Response<ClearHistoryResponse>, Status> {
        let ClearHistoryRequest { chat_id, user_id } = request.into_inner();
        self.0.lock().unwrap().cleared.push((chat_id, user_id));
        Ok(Response::new(ClearHistoryResponse {}))
    }

    async fn get_messages(&self, _: Request<GetMessagesRequest>) -> Result<Response<GetMessagesResponse>, Status> {
        Err(Status::unimplemented("the chat service does not ask this"))
    }
}

#[async_trait]
impl MediaInternalService for Neighbours {
    async fn set_avatar(&self, _: Request<SetAvatarRequest>) -> Result<Response<SetAvatarResponse>, Status> {
        Err(Status::unimplemented("the chat service does not ask this"))
    }

    async fn describe_attachments(
        &self,
        request: Request<DescribeAttachmentsRequest>,
    ) -> Result<Response<DescribeAttachmentsResponse>, Status> {
        let DescribeAttachmentsRequest { user_id, media_ids } = request.into_inner();
        let (state, user_id) = (self.0.lock().unwrap(), user_id.parse().unwrap());
        let describe = |media_id: String| {
            let content_type = state.media.get(&(user_id, media_id.parse().unwrap()))?;
            Some(pb::Attachment { media_id, content_type: (*content_type).to_owned(), ..pb::Attachment::default() })
        };
        let attachments: Option<Vec<_>> = media_ids.into_iter().map(describe).collect();
        let attachments = attachments.ok_or_else(|| Status::not_found("no finished upload of the user"))?;
        Ok(Response::new(DescribeAttachmentsResponse { attachments }))
    }
}
