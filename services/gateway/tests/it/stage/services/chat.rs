use std::sync::atomic::Ordering;

use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService;
use godwit_contract::chat::v1::chat_service_server::ChatService;
use godwit_contract::chat::v1::*;
use godwit_rpc::Caller;
use tonic::{Request, Response, Status};

use super::{Answer, Services};

#[tonic::async_trait]
impl ChatService for Services {
    async fn create_direct_chat(&self, request: Request<CreateDirectChatRequest>) -> Answer<CreateDirectChatResponse> {
        Caller::of(&request)?;
        Ok(Response::new(CreateDirectChatResponse::default()))
    }
    async fn list_chats(&self, request: Request<ListChatsRequest>) -> Answer<ListChatsResponse> {
        Caller::of(&request)?;
        Ok(Response::new(ListChatsResponse::default()))
    }
    async fn get_chat(&self, _: Request<GetChatRequest>) -> Answer<GetChatResponse> {
        Err(Status::not_found("no such chat"))
    }
    async fn get_saved_messages(&self, _: Request<GetSavedMessagesRequest>) -> Answer<GetSavedMessagesResponse> {
        Err(Status::unimplemented(""))
    }
    async fn create_group(&self, _: Request<CreateGroupRequest>) -> Answer<CreateGroupResponse> {
        Err(Status::unimplemented(""))
    }
    async fn update_chat(&self, _: Request<UpdateChatRequest>) -> Answer<UpdateChatResponse> {
        Err(Status::unimplemented(""))
    }
    async fn delete_chat(&self, _: Request<DeleteChatRequest>) -> Answer<DeleteChatResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl ChatInternalService for Services {
    async fn get_posting_policy(&self, request: Request<GetPostingPolicyRequest>) -> Answer<GetPostingPolicyResponse> {
        let GetPostingPolicyRequest { chat_id, user_id } = request.into_inner();
        let (chat, user) = (chat_id.parse().unwrap(), user_id.parse().unwrap());
        let is_member = self.members.lock().get(&chat).is_some_and(|members| members.contains(&user));
        self.policy_asks.fetch_add(1, Ordering::SeqCst);
        let usual = GetPostingPolicyResponse {
            may_post: true,
            membership_version: 1,
            kind: godwit_contract::v1::ChatKind::Group.into(),
            member_count: 3,
            ..GetPostingPolicyResponse::default()
        };
        let policy = self.policies.lock().get(&chat).cloned().unwrap_or(usual);
        Ok(Response::new(GetPostingPolicyResponse { is_member, may_post: is_member && policy.may_post, ..policy }))
    }
    async fn list_chat_ids(&self, request: Request<ListChatIdsRequest>) -> Answer<ListChatIdsResponse> {
        if self.hides_chats.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        // Two a page, so that pages are followed.
        let ListChatIdsRequest { user_id, after_chat_id, .. } = request.into_inner();
        let user = user_id.parse().unwrap();
        let members = self.members.lock();
        let mine = members.iter().filter(|(_, members)| members.contains(&user)).map(|(chat, _)| chat.to_string());
        let mut rest: Vec<String> = mine.filter(|chat| *chat > after_chat_id).collect();
        let has_more = rest.len() > 2;
        rest.truncate(2);
        Ok(Response::new(ListChatIdsResponse { chat_ids: rest, has_more }))
    }
    async fn list_members(&self, _: Request<ListMembersRequest>) -> Answer<ListMembersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn list_direct_peers(&self, _: Request<ListDirectPeersRequest>) -> Answer<ListDirectPeersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn set_direct_block(&self, _: Request<SetDirectBlockRequest>) -> Answer<SetDirectBlockResponse> {
        Err(Status::unimplemented(""))
    }
    async fn open_saved_messages(&self, _: Request<OpenSavedMessagesRequest>) -> Answer<OpenSavedMessagesResponse> {
        Err(Status::unimplemented(""))
    }
}
