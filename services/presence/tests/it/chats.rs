use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService;
use godwit_contract::chat::v1::{
    GetPostingPolicyRequest, GetPostingPolicyResponse, ListChatIdsRequest, ListChatIdsResponse, ListDirectPeersRequest,
    ListDirectPeersResponse, ListMembersRequest, ListMembersResponse, SetDirectBlockRequest, SetDirectBlockResponse,
};
use godwit_kernel::UserId;
use parking_lot::Mutex;
use tonic::{Request, Response, Status};

/// Pages are short, so that they matter.
const PAGE: usize = 3;

/// A chat service that knows only direct chats.
#[derive(Clone, Default)]
pub struct FakeChats {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    peers: BTreeMap<UserId, BTreeSet<UserId>>,
    is_down: bool,
}

impl FakeChats {
    pub fn befriend(&self, one: UserId, other: UserId) {
        let mut state = self.state.lock();
        state.peers.entry(one).or_default().insert(other);
        state.peers.entry(other).or_default().insert(one);
    }

    pub fn set_down(&self, is_down: bool) {
        self.state.lock().is_down = is_down;
    }
}

#[tonic::async_trait]
impl ChatInternalService for FakeChats {
    async fn list_direct_peers(
        &self,
        request: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        let request = request.into_inner();
        let state = self.state.lock();
        if state.is_down {
            return Err(Status::unavailable("down"));
        }
        let user_id: UserId = request.user_id.parse().unwrap();
        let above: Option<UserId> = request.after_user_id.parse().ok();
        let limit = PAGE.min(usize::try_from(request.limit).unwrap());
        let peers = state.peers.get(&user_id).into_iter().flatten();
        let mut behind = peers.filter(|peer| above.is_none_or(|above| **peer > above));
        let user_ids = behind.by_ref().take(limit).map(UserId::to_string).collect();
        Ok(Response::new(ListDirectPeersResponse { user_ids, has_more: behind.next().is_some() }))
    }

    async fn get_posting_policy(
        &self,
        _: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        Err(Status::unimplemented("not asked by presence"))
    }

    async fn list_chat_ids(&self, _: Request<ListChatIdsRequest>) -> Result<Response<ListChatIdsResponse>, Status> {
        Err(Status::unimplemented("not asked by presence"))
    }

    async fn set_direct_block(
        &self,
        _: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        Err(Status::unimplemented("not asked by presence"))
    }

    async fn list_members(&self, _: Request<ListMembersRequest>) -> Result<Response<ListMembersResponse>, Status> {
        Err(Status::unimplemented("not asked by presence"))
    }
    async fn open_saved_messages(
        &self,
        _: Request<godwit_contract::chat::v1::OpenSavedMessagesRequest>,
    ) -> Result<Response<godwit_contract::chat::v1::OpenSavedMessagesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
