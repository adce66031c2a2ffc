//! The services that push calls, as far as it calls them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::{
    CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse, ListRevocationsRequest,
    ListRevocationsResponse, ResolveUsernamesRequest, ResolveUsernamesResponse, Revocation,
};
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService;
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, OpenSavedMessagesRequest,
    OpenSavedMessagesResponse, SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_contract::message::v1::message_internal_service_server::MessageInternalService;
use godwit_contract::message::v1::{
    AppendUpdateRequest, AppendUpdateResponse, ClearHistoryRequest, ClearHistoryResponse, GetHeadsRequest,
    GetHeadsResponse, GetMessagesRequest, GetMessagesResponse, RaiseMembershipVersionRequest,
    RaiseMembershipVersionResponse, RankChatsRequest, RankChatsResponse, SendMessagesRequest, SendMessagesResponse,
};
use godwit_contract::v1::{ChatKind, Message, User};
use tonic::{Request, Response, Status};

/// Members, or sessions, a page: fewer than a real service gives, so that there are pages.
const PAGE: usize = 2;

/// One chat with these members, and every user named after their id who was not deleted.
#[derive(Clone, Default)]
pub struct Peers {
    pub members: Arc<Mutex<BTreeSet<String>>>,
    pub deleted: Arc<Mutex<BTreeSet<String>>>,
    pub revoked_sessions: Arc<Mutex<BTreeSet<String>>>,
    /// The messages that are there, by id.
    pub messages: Arc<Mutex<BTreeMap<String, Message>>>,
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

    async fn resolve_usernames(
        &self,
        _: Request<ResolveUsernamesRequest>,
    ) -> Result<Response<ResolveUsernamesResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
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

    async fn open_saved_messages(
        &self,
        _: Request<OpenSavedMessagesRequest>,
    ) -> Result<Response<OpenSavedMessagesResponse>, Status> {
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

#[tonic::async_trait]
impl MessageInternalService for Peers {
    async fn get_messages(
        &self,
        request: Request<GetMessagesRequest>,
    ) -> Result<Response<GetMessagesResponse>, Status> {
        let messages = self.messages.lock().unwrap().clone();
        let found = request.into_inner().message_ids.iter().filter_map(|id| messages.get(id).cloned()).collect();
        self.answer(GetMessagesResponse { messages: found })
    }

    async fn append_update(&self, _: Request<AppendUpdateRequest>) -> Result<Response<AppendUpdateResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn raise_membership_version(
        &self,
        _: Request<RaiseMembershipVersionRequest>,
    ) -> Result<Response<RaiseMembershipVersionResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn send_messages(&self, _: Request<SendMessagesRequest>) -> Result<Response<SendMessagesResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn get_heads(&self, _: Request<GetHeadsRequest>) -> Result<Response<GetHeadsResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn rank_chats(&self, _: Request<RankChatsRequest>) -> Result<Response<RankChatsResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }

    async fn clear_history(&self, _: Request<ClearHistoryRequest>) -> Result<Response<ClearHistoryResponse>, Status> {
        Err(Status::unimplemented("not asked by push"))
    }
}
