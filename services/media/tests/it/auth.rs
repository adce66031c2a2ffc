use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::{
    AccessAction, AccessAnswer, CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse,
    ListRevocationsRequest, ListRevocationsResponse, ResolveUsernamesRequest, ResolveUsernamesResponse,
};
use godwit_kernel::UserId;
use tonic::{Request, Response, Status, async_trait};

/// An auth service that knows who may not see whose avatar.
#[derive(Clone, Default)]
pub struct FakeAuth(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    refusals: HashMap<(UserId, UserId), &'static str>,
    is_down: bool,
    checks: usize,
}

impl FakeAuth {
    /// From now on `actor` does not see the avatar of `target`, for this reason; or sees it again.
    pub fn set_refusal(&self, actor: UserId, target: UserId, reason: Option<&'static str>) {
        let mut state = self.0.lock().unwrap();
        match reason {
            Some(reason) => state.refusals.insert((actor, target), reason),
            None => state.refusals.remove(&(actor, target)),
        };
    }

    pub fn set_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_down = is_down;
    }

    /// How often it was asked.
    pub fn checks(&self) -> usize {
        self.0.lock().unwrap().checks
    }
}

#[async_trait]
impl AuthInternalService for FakeAuth {
    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        assert_eq!(request.get_ref().action(), AccessAction::SeeAvatar);
        let mut state = self.0.lock().unwrap();
        if state.is_down {
            return Err(Status::unavailable("down"));
        }
        state.checks += 1;
        let answers = request.into_inner().pairs.into_iter().map(|pair| {
            let reason = state.refusals.get(&(pair.actor_id.parse().unwrap(), pair.target_id.parse().unwrap()));
            AccessAnswer { is_allowed: reason.is_none(), reason: (*reason.unwrap_or(&"")).to_owned() }
        });
        Ok(Response::new(CheckAccessResponse { answers: answers.collect() }))
    }

    async fn get_users(&self, _: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        Err(Status::unimplemented("not asked by media"))
    }

    async fn resolve_usernames(
        &self,
        _: Request<ResolveUsernamesRequest>,
    ) -> Result<Response<ResolveUsernamesResponse>, Status> {
        Err(Status::unimplemented("not asked by media"))
    }

    async fn list_revocations(
        &self,
        _: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        Err(Status::unimplemented("not asked by media"))
    }
}
