//! The chat and the media service, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use godwit_contract::chat::v1::chat_internal_service_server::{ChatInternalService, ChatInternalServiceServer};
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, OpenSavedMessagesRequest,
    OpenSavedMessagesResponse, SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_contract::media::v1::media_internal_service_server::{MediaInternalService, MediaInternalServiceServer};
use godwit_contract::media::v1::{
    DescribeAttachmentsRequest, DescribeAttachmentsResponse, SetAvatarRequest, SetAvatarResponse,
};
use godwit_kernel::{MediaId, SystemClock, SystemEntropy, UserId};
use godwit_runtime::GrpcRoutes;
use tonic::{Request, Response, Status, async_trait};

/// What the chat service knows of two people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectBlock {
    pub is_blocked: bool,
    pub version: u64,
}

#[derive(Default)]
struct State {
    is_down: bool,
    blocks: BTreeMap<(UserId, UserId), DirectBlock>,
    tellings: usize,
    images: BTreeSet<(UserId, MediaId)>,
    documents: BTreeSet<(UserId, MediaId)>,
    avatars: BTreeMap<UserId, MediaId>,
}

#[derive(Clone, Default)]
pub struct Neighbours(Arc<Mutex<State>>);

impl Neighbours {
    /// Adds both services to a process.
    pub fn serve(&self, grpc: &GrpcRoutes) {
        grpc.add(ChatInternalServiceServer::new(self.clone()));
        grpc.add(MediaInternalServiceServer::new(self.clone()));
    }

    /// Neither answers from now on, or both again.
    pub fn set_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_down = is_down;
    }

    pub fn block_of(&self, one: UserId, other: UserId) -> DirectBlock {
        let pair = (one.min(other), one.max(other));
        self.0.lock().unwrap().blocks.get(&pair).copied().unwrap_or_default()
    }

    /// How often the chat service was told of a block.
    pub fn tellings(&self) -> usize {
        self.0.lock().unwrap().tellings
    }

    /// An image that a user uploaded.
    pub fn image_of(&self, user_id: UserId) -> MediaId {
        let media_id = MediaId::generate(&SystemClock, &SystemEntropy);
        self.0.lock().unwrap().images.insert((user_id, media_id));
        media_id
    }

    /// Something else that a user uploaded.
    pub fn document_of(&self, user_id: UserId) -> MediaId {
        let media_id = MediaId::generate(&SystemClock, &SystemEntropy);
        self.0.lock().unwrap().documents.insert((user_id, media_id));
        media_id
    }

    /// The upload that others may fetch as a user's avatar.
    pub fn avatar_of(&self, user_id: UserId) -> Option<MediaId> {
        self.0.lock().unwrap().avatars.get(&user_id).copied()
    }

    fn up(&self) -> Result<std::sync::MutexGuard<'_, State>, Status> {
        let state = self.0.lock().unwrap();
        if state.is_down { Err(Status::unavailable("down")) } else { Ok(state) }
    }
}

#[async_trait]
impl ChatInternalService for Neighbours {
    async fn set_direct_block(
        &self,
        request: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        let SetDirectBlockRequest { user_id, other_user_id, is_blocked, version } = request.into_inner();
        let (one, other): (UserId, UserId) = (user_id.parse().unwrap(), other_user_id.parse().unwrap());
        let mut state = self.up()?;
        state.tellings += 1;
        let known = state.blocks.entry((one.min(other), one.max(other))).or_default();
        if version > known.version {
            *known = DirectBlock { is_blocked, version };
        }
        Ok(Response::new(SetDirectBlockResponse {}))
    }

    async fn get_posting_policy(
        &self,
        _: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        Err(Status::unimplemented("the auth service does not ask this"))
    }

    async fn list_chat_ids(&self, _: Request<ListChatIdsRequest>) -> Result<Response<ListChatIdsResponse>, Status> {
        Err(Status::unimplemented("the auth service does not ask this"))
    }

    async fn list_members(&self, _: Request<ListMembersRequest>) -> Result<Response<ListMembersResponse>, Status> {
        Err(Status::unimplemented("the auth service does not ask this"))
    }

    async fn list_direct_peers(
        &self,
        _: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        Err(Status::unimplemented("the auth service does not ask this"))
    }

    async fn open_saved_messages(
        &self,
        _: Request<OpenSavedMessagesRequest>,
    ) -> Result<Response<OpenSavedMessagesResponse>, Status> {
        Err(Status::unimplemented("the auth service does not ask this"))
    }
}

#[async_trait]
impl MediaInternalService for Neighbours {
    async fn set_avatar(&self, request: Request<SetAvatarRequest>) -> Result<Response<SetAvatarResponse>, Status> {
        let SetAvatarRequest { user_id, media_id } = request.into_inner();
        let user_id: UserId = user_id.parse().unwrap();
        let mut state = self.up()?;
        if media_id.is_empty() {
            state.avatars.remove(&user_id);
            return Ok(Response::new(SetAvatarResponse {}));
        }
        let media_id: MediaId = media_id.parse().unwrap();
        if state.documents.contains(&(user_id, media_id)) {
            return Err(Status::failed_precondition("no image"));
        }
        if !state.images.contains(&(user_id, media_id)) {
            return Err(Status::not_found("no such upload"));
        }
        state.avatars.insert(user_id, media_id);
        Ok(Response::new(SetAvatarResponse {}))
    }

    async fn describe_attachments(
        &self,
        _: Request<DescribeAttachmentsRequest>,
    ) -> Result<Response<DescribeAttachmentsResponse>, Status> {
        Err(Status::unimplemented("the auth service does not ask this"))
    }
}
