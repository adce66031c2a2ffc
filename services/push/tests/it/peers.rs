//! The services that push calls, as far as it calls them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::{
    CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse, ListRevocationsRequest,
    ListRevocationsResponse, Revocation,
};
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService;
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_contract::v1::{ChatKind, User};
use tonic::{Request, Response, Status};

/// Members, or sessions, a page: fewer than a real service gives, so that there are pages.
const PAGE: usize = 2;

/// One chat with these members, and every user named after their id who was not deleted.
#[derive(Clone, Default)]
pub struct Peers {
    pub members: Arc<Mutex<BTreeSet<String>>>,
    pub deleted: Arc<Mutex<BTreeSet<String>>>,
    pub revoked_sessions: Arc<Mutex<BTreeSet<String>>>,
    /// Nobody answers.
    pub away: Arc<AtomicBool>,
    /// How often nobody answered.
    pub refused: Arc<AtomicUsize>,
}

impl Peers {
    fn answer<T>(&self, message: T) -> Result<Response<T>, Status> {
        if self.away.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Status::unavailable("away"));
        }
        Ok(Response::new(message))
    }
}

/// The display name of a user.
pub fn name_of(user_id: &str) -> String {
    format!("User {user_id}")
}

#[tonic::async_trait]
impl AuthInternalService for Peers {
    async fn get_users(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        let deleted = self.deleted.lock().unwrap().clone();
        let user = |id: String| match deleted.contains(&id) {
            // What a faulty answer says of them besides must not be told.
            true => User { display_name: name_of(&id), id, is_deleted: true, ..User::default() },
            false => User { display_name: name_of(&id), id, ..User::default() },
        };
        self.answer(GetUsersResponse { users: request.into_inner().user_ids.into_iter().map(user).collect() })
    }

    async fn list_revocations(
        &self,
        request: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        let after = request.into_inner().after_session_id;
        let rest: Vec<String> =
            self.revoked_sessions.lock().unwrap().iter().filter(|id| **id > after).cloned().collect();
        let has_more = rest.len() > PAGE;
        let revocation = |session_id| Revocation { session_id, ..Revocation::default() };
        let revocations = rest.into_iter().take(PAGE).map(revocation).collect();
        self.answer(ListRevocationsResponse { revocations, has_more })
    }

    async fn check_access(&self, _: Request<CheckAccessRequest>) -> Result<Response<CheckAccessResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }
}

#[tonic::async_trait]
impl ChatInternalService for Peers {
    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        let after = request.into_inner().after_user_id;
        let rest: Vec<String> = self.members.lock().unwrap().iter().filter(|id| **id > after).cloned().collect();
        let has_more = rest.len() > PAGE;
        let user_ids = rest.into_iter().take(PAGE).collect();
        self.answer(ListMembersResponse { user_ids, has_more, kind: ChatKind::Direct.into() })
    }

    async fn get_posting_policy(
        &self,
        _: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn list_chat_ids(&self, _: Request<ListChatIdsRequest>) -> Result<Response<ListChatIdsResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn list_direct_peers(
        &self,
        _: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn set_direct_block(
        &self,
        _: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }
}
