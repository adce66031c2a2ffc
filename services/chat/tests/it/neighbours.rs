//! The auth and message services, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::{AuthInternalService, AuthInternalServiceServer};
use godwit_contract::auth::v1::{GetUsersRequest, GetUsersResponse, ListRevocationsRequest, ListRevocationsResponse};
use godwit_contract::message::v1::message_internal_service_server::{
    MessageInternalService, MessageInternalServiceServer,
};
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ChatHead, GetHeadsRequest, GetHeadsResponse,
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
    appends: Appends,
    attempts: u64,
    /// Each event once, in the order in which they first came.
    log: Vec<AppendUpdateRequest>,
    last_messages: BTreeMap<ChatId, pb::Message>,
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
        let ids = request.into_inner().user_ids;
        assert!(ids.len() <= 200, "the auth service takes at most 200 ids");
        let state = self.0.lock().unwrap();
        let known = ids.into_iter().filter(|id| state.users.contains(&id.parse().unwrap()));
        let users = known.map(|id| pb::User { username: format!("name-{id}"), id, ..pb::User::default() }).collect();
        Ok(Response::new(GetUsersResponse { users }))
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
        if !state.log.iter().any(|known| known.event_id == request.event_id) {
            state.log.push(request);
        }
        if state.appends == Appends::Unanswered {
            return Err(Status::unavailable("the answer is lost"));
        }
        Ok(Response::new(AppendUpdateResponse { seq: 1, epoch: "epoch".to_owned() }))
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
