use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::relationship_internal_service_server::RelationshipInternalService;
use godwit_contract::auth::v1::{
    AccessAction, AccessAnswer, CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse,
    ListFriendIdsRequest, ListFriendIdsResponse, ListRevocationsRequest, ListRevocationsResponse,
};
use godwit_kernel::UserId;
use parking_lot::Mutex;
use tonic::{Request, Response, Status};

/// An auth service that knows who may not see whose presence.
#[derive(Clone, Default)]
pub struct FakeAuth {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    refusals: HashMap<(UserId, UserId), &'static str>,
    friends: HashMap<UserId, BTreeSet<UserId>>,
    is_down: bool,
    calls: usize,
}

impl FakeAuth {
    /// From now on `actor` does not see the presence of `target`, for this reason.
    pub fn refuse(&self, actor: UserId, target: UserId, reason: &'static str) {
        self.state.lock().refusals.insert((actor, target), reason);
    }

    pub fn allow(&self, actor: UserId, target: UserId) {
        self.state.lock().refusals.remove(&(actor, target));
    }

    pub fn befriend(&self, one: UserId, other: UserId) {
        let mut state = self.state.lock();
        state.friends.entry(one).or_default().insert(other);
        state.friends.entry(other).or_default().insert(one);
    }

    pub fn unfriend(&self, one: UserId, other: UserId) {
        let mut state = self.state.lock();
        state.friends.entry(one).or_default().remove(&other);
        state.friends.entry(other).or_default().remove(&one);
    }

    pub fn set_down(&self, is_down: bool) {
        self.state.lock().is_down = is_down;
    }

    /// How often it was asked.
    pub fn calls(&self) -> usize {
        self.state.lock().calls
    }
}

#[tonic::async_trait]
impl AuthInternalService for FakeAuth {
    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        assert_eq!(request.get_ref().action(), AccessAction::SeePresence);
        let pairs = request.into_inner().pairs;
        assert!(pairs.len() <= 200, "auth takes at most 200 pairs");
        let mut state = self.state.lock();
        if state.is_down {
            return Err(Status::unavailable("down"));
        }
        state.calls += 1;
        let answers = pairs.into_iter().map(|pair| {
            let reason = state.refusals.get(&(pair.actor_id.parse().unwrap(), pair.target_id.parse().unwrap()));
            AccessAnswer { is_allowed: reason.is_none(), reason: (*reason.unwrap_or(&"")).to_owned() }
        });
        Ok(Response::new(CheckAccessResponse { answers: answers.collect() }))
    }

    async fn get_users(&self, _: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        Err(Status::unimplemented("not asked by presence"))
    }

    async fn list_revocations(
        &self,
        _: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        Err(Status::unimplemented("not asked by presence"))
    }
    async fn resolve_usernames(
        &self,
        _: Request<godwit_contract::auth::v1::ResolveUsernamesRequest>,
    ) -> Result<Response<godwit_contract::auth::v1::ResolveUsernamesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl RelationshipInternalService for FakeAuth {
    async fn list_friend_ids(
        &self,
        request: Request<ListFriendIdsRequest>,
    ) -> Result<Response<ListFriendIdsResponse>, Status> {
        let state = self.state.lock();
        if state.is_down {
            return Err(Status::unavailable("down"));
        }
        let user_id: UserId = request.get_ref().user_id.parse().unwrap();
        let user_ids = state.friends.get(&user_id).into_iter().flatten().map(UserId::to_string).collect();
        Ok(Response::new(ListFriendIdsResponse { user_ids, has_more: false }))
    }
}
