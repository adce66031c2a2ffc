//! The auth and message services, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::{AuthInternalService, AuthInternalServiceServer};
use godwit_contract::auth::v1::{
    AccessAction, AccessAnswer, CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse,
    ListRevocationsRequest, ListRevocationsResponse,
};
use godwit_contract::message::v1::message_internal_service_server::{
    MessageInternalService, MessageInternalServiceServer,
};
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ChatHead, GetHeadsRequest, GetHeadsResponse,
    RaiseMembershipVersionRequest, RaiseMembershipVersionResponse, SendMessagesRequest, SendMessagesResponse,
};
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Directory, LocalRoutes, ServerLayer, Target};
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
    last_messages: BTreeMap<ChatId, pb::Message>,
    /// The versions that the logs know, of chats whose log has begun.
    versions: BTreeMap<String, u64>,
}

#[derive(Clone, Default)]
pub struct Neighbours(Arc<Mutex<State>>);

impl Neighbours {
    /// Where both are.
    pub fn directory(&self) -> Directory {
        let routes = LocalRoutes::new();
        let mut served = Routes::new(AuthInternalServiceServer::new(self.clone()));
        served = served.add_service(MessageInternalServiceServer::new(self.clone()));
        routes.bind(served, &ServerLayer::default());
        Directory::new(routes, [Target::Auth, Target::Message])
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

    pub fn say(&self, chat_id: ChatId, text: &str) -> pb::Message {
        let message = pb::Message { chat_id: chat_id.to_string(), text: text.to_owned(), ..pb::Message::default() };
        self.0.lock().unwrap().last_messages.insert(chat_id, message.clone());
        message
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
        let RaiseMembershipVersionRequest { chat_id, membership_version } = request.into_inner();
        let mut state = self.0.lock().unwrap();
        state.attempts += 1;
        match state.appends {
            Appends::Down => return Err(Status::unavailable("down")),
            Appends::Refused => return Err(Status::invalid_argument("never")),
            Appends::Answered | Appends::Unanswered => {}
        }
        if let Some(version) = state.versions.get_mut(&chat_id) {
            *version = membership_version.max(*version);
        }
        if state.appends == Appends::Unanswered {
            return Err(Status::unavailable("the answer is lost"));
        }
        Ok(Response::new(RaiseMembershipVersionResponse {}))
    }

    async fn get_heads(&self, request: Request<GetHeadsRequest>) -> Result<Response<GetHeadsResponse>, Status> {
        let ids = request.into_inner().chat_ids;
        assert!(ids.len() <= 200, "the message service takes at most 200 ids");
        let heads = ids.into_iter().filter_map(|chat_id| {
            let updates = self.log_of(&chat_id).len();
            let last_message = self.0.lock().unwrap().last_messages.get(&chat_id.parse().unwrap()).cloned();
            (updates > 0).then(|| ChatHead {
                chat_id,
                last_seq: updates as u64 + u64::from(last_message.is_some()),
                epoch: "epoch".to_owned(),
                last_message,
            })
        });
        Ok(Response::new(GetHeadsResponse { heads: heads.collect() }))
    }
}
