//! The services that push calls, as far as it calls them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::{
    GetUsersRequest, GetUsersResponse, ListRevocationsRequest, ListRevocationsResponse, Revocation,
};
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService;
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse,
};
use godwit_contract::v1::{ChatKind, User};
use tonic::{Request, Response, Status};

/// Members a page: fewer than a real chat service gives, so that there are pages.
const PAGE: usize = 2;

/// One chat with these members, and every user named after their id.
#[derive(Clone, Default)]
pub struct Peers {
    pub members: Arc<Mutex<BTreeSet<String>>>,
    pub revoked_sessions: Arc<Mutex<Vec<String>>>,
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
        let user = |id: String| User { display_name: name_of(&id), id, ..User::default() };
        self.answer(GetUsersResponse { users: request.into_inner().user_ids.into_iter().map(user).collect() })
    }

    async fn list_revocations(
        &self,
        _: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        let revoked = self.revoked_sessions.lock().unwrap().clone();
        let revocation = |session_id| Revocation { session_id, ..Revocation::default() };
        self.answer(ListRevocationsResponse { revocations: revoked.into_iter().map(revocation).collect() })
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
}
