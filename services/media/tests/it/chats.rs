use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService;
use godwit_contract::chat::v1::*;
use godwit_kernel::{ChatId, SystemClock, SystemEntropy, UserId};
use tonic::{Request, Response, Status, async_trait};

/// A chat service that knows who is a member of what.
#[derive(Clone, Default)]
pub struct FakeChats(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    members: BTreeSet<(ChatId, UserId)>,
    public: BTreeSet<ChatId>,
    is_down: bool,
}

impl FakeChats {
    /// A chat of these people.
    pub fn chat_of(&self, members: &[UserId]) -> ChatId {
        let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
        self.0.lock().unwrap().members.extend(members.iter().map(|member| (chat_id, *member)));
        chat_id
    }

    pub fn remove(&self, chat_id: ChatId, member: UserId) {
        self.0.lock().unwrap().members.remove(&(chat_id, member));
    }

    pub fn publish(&self, chat_id: ChatId) {
        self.0.lock().unwrap().public.insert(chat_id);
    }

    pub fn set_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_down = is_down;
    }
}

#[async_trait]
impl ChatInternalService for FakeChats {
    async fn get_posting_policy(
        &self,
        request: Request<GetPostingPolicyRequest>,
    ) -> Result<Response<GetPostingPolicyResponse>, Status> {
        let state = self.0.lock().unwrap();
        if state.is_down {
            return Err(Status::unavailable("down"));
        }
        let (chat_id, user_id) =
            (request.get_ref().chat_id.parse().unwrap(), request.get_ref().user_id.parse().unwrap());
        Ok(Response::new(GetPostingPolicyResponse {
            is_public: state.public.contains(&chat_id),
            is_member: state.members.contains(&(chat_id, user_id)),
            ..Default::default()
        }))
    }

    async fn list_chat_ids(
        &self,
        request: Request<ListChatIdsRequest>,
    ) -> Result<Response<ListChatIdsResponse>, Status> {
        let state = self.0.lock().unwrap();
        if state.is_down {
            return Err(Status::unavailable("down"));
        }
        let request = request.into_inner();
        let user_id: UserId = request.user_id.parse().unwrap();
        let after: Option<ChatId> = request.after_chat_id.parse().ok();
        let of_user = state.members.iter().filter(|(_, member)| *member == user_id).map(|(chat_id, _)| *chat_id);
        // Two a page, so that pages are gone through.
        let mut chat_ids: Vec<String> =
            of_user.filter(|id| after.is_none_or(|after| *id > after)).take(3).map(|id| id.to_string()).collect();
        let has_more = chat_ids.len() > 2;
        chat_ids.truncate(2);
        Ok(Response::new(ListChatIdsResponse { chat_ids, has_more }))
    }

    async fn list_members(&self, _: Request<ListMembersRequest>) -> Result<Response<ListMembersResponse>, Status> {
        Err(Status::unimplemented("not asked by media"))
    }

    async fn list_direct_peers(
        &self,
        _: Request<ListDirectPeersRequest>,
    ) -> Result<Response<ListDirectPeersResponse>, Status> {
        Err(Status::unimplemented("not asked by media"))
    }

    async fn open_saved_messages(
        &self,
        _: Request<OpenSavedMessagesRequest>,
    ) -> Result<Response<OpenSavedMessagesResponse>, Status> {
        Err(Status::unimplemented("not asked by media"))
    }

    async fn set_direct_block(
        &self,
        _: Request<SetDirectBlockRequest>,
    ) -> Result<Response<SetDirectBlockResponse>, Status> {
        Err(Status::unimplemented("not asked by media"))
    }
}
