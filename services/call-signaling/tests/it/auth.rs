use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::{
    AccessAction, AccessAnswer, CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse,
    ListRevocationsRequest, ListRevocationsResponse,
};
use tonic::{Request, Response, Status};

/// How auth answers whether somebody may call somebody.
#[derive(Clone, Copy, Debug, Default)]
pub enum Answer {
    #[default]
    Yes,
    /// For this reason not.
    No(&'static str),
    /// Nothing.
    Down,
}

#[derive(Clone, Default)]
pub struct FakeAuth(Arc<Mutex<Answer>>);

impl FakeAuth {
    pub fn set(&self, answer: Answer) {
        *self.0.lock().unwrap() = answer;
    }
}

#[tonic::async_trait]
impl AuthInternalService for FakeAuth {
    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let request = request.into_inner();
        assert_eq!((request.action(), request.pairs.len()), (AccessAction::Call, 1));
        let answer = match *self.0.lock().unwrap() {
            Answer::Yes => AccessAnswer { is_allowed: true, reason: String::new() },
            Answer::No(reason) => AccessAnswer { is_allowed: false, reason: reason.to_owned() },
            Answer::Down => return Err(Status::unavailable("down")),
        };
        Ok(Response::new(CheckAccessResponse { answers: vec![answer] }))
    }

    async fn get_users(&self, _: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        Err(Status::unimplemented("not asked by calls"))
    }

    async fn list_revocations(
        &self,
        _: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        Err(Status::unimplemented("not asked by calls"))
    }
    async fn resolve_usernames(
        &self,
        _: Request<godwit_contract::auth::v1::ResolveUsernamesRequest>,
    ) -> Result<Response<godwit_contract::auth::v1::ResolveUsernamesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
