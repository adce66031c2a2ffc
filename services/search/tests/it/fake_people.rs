use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::directory_internal_service_server::DirectoryInternalService;
use godwit_contract::auth::v1::{
    AccessAnswer, CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse, ListRevocationsRequest,
    ListRevocationsResponse, ListUserIdsRequest, ListUserIdsResponse, ResolveUsernamesRequest,
    ResolveUsernamesResponse,
};
use godwit_contract::v1::User;
use godwit_kernel::UserId;
use tonic::{Request, Response, Status};

/// An auth service that knows profiles and blocks, and hides avatars from whoever asks as somebody.
#[derive(Clone, Default)]
pub struct FakePeople {
    users: Arc<Mutex<BTreeMap<String, User>>>,
    blocks: Arc<Mutex<BTreeSet<(String, String)>>>,
    /// Who is renamed right behind the next answer.
    renamed: Arc<Mutex<Vec<(UserId, String)>>>,
}

impl FakePeople {
    pub fn put(&self, user_id: UserId, username: &str, display_name: &str) {
        let user = User {
            id: user_id.to_string(),
            username: username.to_owned(),
            display_name: display_name.to_owned(),
            avatar_media_id: "hidden".to_owned(),
            ..User::default()
        };
        self.users.lock().unwrap().insert(user.id.clone(), user);
    }

    /// Whoever asks next is told the name before.
    pub fn rename_behind_the_next_answer(&self, user_id: UserId, username: &str) {
        self.renamed.lock().unwrap().push((user_id, username.to_owned()));
    }

    /// Nothing is left of an account but the mark.
    pub fn delete(&self, user_id: UserId) {
        let user = User { id: user_id.to_string(), is_deleted: true, ..User::default() };
        self.users.lock().unwrap().insert(user.id.clone(), user);
    }

    pub fn block(&self, one: UserId, other: UserId) {
        self.blocks.lock().unwrap().insert((one.to_string(), other.to_string()));
    }
}

#[tonic::async_trait]
impl AuthInternalService for FakePeople {
    async fn get_users(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        let GetUsersRequest { user_ids, viewer_id } = request.into_inner();
        let known = self.users.lock().unwrap().clone();
        for (user_id, username) in std::mem::take(&mut *self.renamed.lock().unwrap()) {
            self.put(user_id, &username, "");
        }
        let mut users: Vec<User> = user_ids.iter().filter_map(|id| known.get(id).cloned()).collect();
        for user in users.iter_mut().filter(|_| !viewer_id.is_empty()) {
            user.avatar_media_id.clear();
        }
        Ok(Response::new(GetUsersResponse { users }))
    }

    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let (users, blocks) = (self.users.lock().unwrap(), self.blocks.lock().unwrap());
        let answer = |actor: String, target: String| {
            let is_there = users.get(&target).is_some_and(|user| !user.is_deleted);
            let is_blocked = blocks.contains(&(actor.clone(), target.clone())) || blocks.contains(&(target, actor));
            let reason = match (is_there, is_blocked) {
                (false, _) => "USER_NOT_FOUND",
                (true, true) => "BLOCKED",
                // As of somebody who lets only friends write.
                (true, false) => "PRIVACY",
            };
            AccessAnswer { is_allowed: false, reason: reason.to_owned() }
        };
        let pairs = request.into_inner().pairs.into_iter();
        let answers = pairs.map(|pair| answer(pair.actor_id, pair.target_id)).collect();
        Ok(Response::new(CheckAccessResponse { answers }))
    }

    async fn resolve_usernames(
        &self,
        _: Request<ResolveUsernamesRequest>,
    ) -> Result<Response<ResolveUsernamesResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }

    async fn list_revocations(
        &self,
        _: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        Err(Status::unimplemented("not asked by search"))
    }
}

#[tonic::async_trait]
impl DirectoryInternalService for FakePeople {
    /// Two a page.
    async fn list_user_ids(
        &self,
        request: Request<ListUserIdsRequest>,
    ) -> Result<Response<ListUserIdsResponse>, Status> {
        let after = request.into_inner().after_user_id;
        let users = self.users.lock().unwrap();
        let mut user_ids: Vec<String> = users.keys().filter(|id| **id > after).take(3).cloned().collect();
        let has_more = user_ids.len() > 2;
        user_ids.truncate(2);
        Ok(Response::new(ListUserIdsResponse { user_ids, has_more }))
    }
}
