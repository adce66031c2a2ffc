//! The auth and media services, as far as the message service asks them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use godwit_contract::auth::v1 as auth;
use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::media::v1 as media;
use godwit_contract::media::v1::media_internal_service_server::MediaInternalService;
use godwit_contract::v1 as pb;
use godwit_kernel::{MediaId, UserId};
use tonic::{Request, Response, Status, async_trait};

const NOT_ASKED: &str = "the message service does not ask this";

/// An auth service in memory.
#[derive(Default)]
pub struct FakeUsers {
    names: Mutex<BTreeMap<String, UserId>>,
    unnamed: Mutex<BTreeSet<UserId>>,
    is_down: AtomicBool,
    reads: AtomicU64,
}

impl FakeUsers {
    pub fn name(&self, name: &str, user: UserId) {
        self.names.lock().unwrap().insert(name.to_owned(), user);
    }

    /// From now on this person is named in nobody's forwards.
    pub fn hide(&self, user: UserId) {
        self.unnamed.lock().unwrap().insert(user);
    }

    pub fn take_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    /// How often names were asked for.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

pub struct ServedUsers(pub Arc<FakeUsers>);

#[async_trait]
impl AuthInternalService for ServedUsers {
    async fn resolve_usernames(
        &self,
        request: Request<auth::ResolveUsernamesRequest>,
    ) -> Result<Response<auth::ResolveUsernamesResponse>, Status> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        if self.0.is_down.load(Ordering::Relaxed) {
            return Err(Status::unavailable("down"));
        }
        let names = self.0.names.lock().unwrap();
        let found = request.into_inner().usernames.into_iter().filter_map(|username| {
            let user_id = names.get(&username.to_lowercase())?.to_string();
            Some(auth::ResolvedUsername { username, user_id })
        });
        Ok(Response::new(auth::ResolveUsernamesResponse { users: found.collect() }))
    }

    async fn get_users(&self, _: Request<auth::GetUsersRequest>) -> Result<Response<auth::GetUsersResponse>, Status> {
        Err(Status::unimplemented(NOT_ASKED))
    }

    async fn check_access(
        &self,
        request: Request<auth::CheckAccessRequest>,
    ) -> Result<Response<auth::CheckAccessResponse>, Status> {
        if self.0.is_down.load(Ordering::Relaxed) {
            return Err(Status::unavailable("down"));
        }
        assert_eq!(request.get_ref().action(), auth::AccessAction::NameInForward);
        let unnamed = self.0.unnamed.lock().unwrap();
        let answers = request.get_ref().pairs.iter().map(|pair| {
            let is_allowed = pair.actor_id == pair.target_id || !unnamed.contains(&pair.target_id.parse().unwrap());
            auth::AccessAnswer { is_allowed, reason: if is_allowed { "" } else { "PRIVACY" }.to_owned() }
        });
        Ok(Response::new(auth::CheckAccessResponse { answers: answers.collect() }))
    }

    async fn list_revocations(
        &self,
        _: Request<auth::ListRevocationsRequest>,
    ) -> Result<Response<auth::ListRevocationsResponse>, Status> {
        Err(Status::unimplemented(NOT_ASKED))
    }
}

/// A media service in memory.
#[derive(Default)]
pub struct FakeMedia {
    uploads: Mutex<BTreeMap<MediaId, UserId>>,
}

impl FakeMedia {
    pub fn upload(&self, media_id: MediaId, owner: UserId) {
        self.uploads.lock().unwrap().insert(media_id, owner);
    }
}

pub struct ServedMedia(pub Arc<FakeMedia>);

#[async_trait]
impl MediaInternalService for ServedMedia {
    async fn describe_attachments(
        &self,
        request: Request<media::DescribeAttachmentsRequest>,
    ) -> Result<Response<media::DescribeAttachmentsResponse>, Status> {
        let media::DescribeAttachmentsRequest { user_id, media_ids } = request.into_inner();
        let uploads = self.0.uploads.lock().unwrap();
        let mut attachments = Vec::new();
        for media_id in media_ids {
            let owner = uploads.get(&media_id.parse().unwrap()).map(UserId::to_string);
            if owner.as_ref() != Some(&user_id) {
                return Err(Status::not_found("no such upload"));
            }
            let (file_name, content_type) = (format!("{media_id}.png"), "image/png".to_owned());
            let look = pb::Attachment { width: 640, height: 480, blurhash: "b".to_owned(), ..Default::default() };
            let (kind, size_bytes) = (pb::AttachmentKind::Image.into(), 7);
            attachments.push(pb::Attachment { media_id, file_name, content_type, size_bytes, kind, ..look });
        }
        Ok(Response::new(media::DescribeAttachmentsResponse { attachments }))
    }

    async fn set_avatar(
        &self,
        _: Request<media::SetAvatarRequest>,
    ) -> Result<Response<media::SetAvatarResponse>, Status> {
        Err(Status::unimplemented(NOT_ASKED))
    }
}
