use godwit_contract::chat::v1::member_service_server::MemberService;
use godwit_contract::chat::v1::{
    AddMembersRequest, AddMembersResponse, Ban, BanUserRequest, BanUserResponse, ChangeRoleRequest, ChangeRoleResponse,
    LeaveChatRequest, LeaveChatResponse, ListBansRequest, ListBansResponse, ListChatMembersRequest,
    ListChatMembersResponse, RemoveMemberRequest, RemoveMemberResponse, TransferOwnershipRequest,
    TransferOwnershipResponse, UnbanUserRequest, UnbanUserResponse,
};
use godwit_contract::v1 as pb;
use godwit_kernel::limits::BATCH_IDS_MAX;
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{Caller, InvalidField, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use super::decode::{chat_and_user, ids, people_page};
use super::encode::{encode_member_view, encode_refused};
use crate::app::BanView;
use crate::domain::Role;
use crate::events::encode::encode_member;

#[async_trait]
impl MemberService for Server {
    async fn list_chat_members(
        &self,
        request: Request<ListChatMembersRequest>,
    ) -> Result<Response<ListChatMembersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListChatMembersRequest { chat_id, limit, cursor } = request.get_ref();
        let (chat_id, cursor, limit) = people_page(chat_id, cursor, *limit).map_err(to_status)?;
        let page = self.0.list_chat_members(caller.user_id, chat_id, cursor, limit).await.map_err(to_status)?;
        Ok(Response::new(ListChatMembersResponse {
            members: page.items.into_iter().map(encode_member_view).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.encode()).unwrap_or_default(),
        }))
    }

    async fn add_members(&self, request: Request<AddMembersRequest>) -> Result<Response<AddMembersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (chat_id, user_ids) = decode_added(request.get_ref()).map_err(to_status)?;
        let outcome = self.0.add_members(caller.user_id, chat_id, &user_ids).await.map_err(to_status)?;
        Ok(Response::new(AddMembersResponse {
            added: outcome.added.iter().map(encode_member).collect(),
            refused: encode_refused(outcome.refused),
        }))
    }

    async fn change_role(&self, request: Request<ChangeRoleRequest>) -> Result<Response<ChangeRoleResponse>, Status> {
        let caller = Caller::of(&request)?;
        let role = decode_role(request.get_ref().role()).map_err(to_status)?;
        let ChangeRoleRequest { chat_id, user_id, .. } = request.get_ref();
        let (chat_id, user_id) = chat_and_user(chat_id, user_id).map_err(to_status)?;
        let member = self.0.change_role(caller.user_id, chat_id, user_id, role).await.map_err(to_status)?;
        Ok(Response::new(ChangeRoleResponse { member: Some(encode_member(&member)) }))
    }

    async fn remove_member(
        &self,
        request: Request<RemoveMemberRequest>,
    ) -> Result<Response<RemoveMemberResponse>, Status> {
        let caller = Caller::of(&request)?;
        let RemoveMemberRequest { chat_id, user_id } = request.get_ref();
        let (chat_id, user_id) = chat_and_user(chat_id, user_id).map_err(to_status)?;
        self.0.remove_member(caller.user_id, chat_id, user_id).await.map_err(to_status)?;
        Ok(Response::new(RemoveMemberResponse {}))
    }

    async fn transfer_ownership(
        &self,
        request: Request<TransferOwnershipRequest>,
    ) -> Result<Response<TransferOwnershipResponse>, Status> {
        let caller = Caller::of(&request)?;
        let TransferOwnershipRequest { chat_id, user_id } = request.get_ref();
        let (chat_id, user_id) = chat_and_user(chat_id, user_id).map_err(to_status)?;
        self.0.transfer_ownership(caller.user_id, chat_id, user_id).await.map_err(to_status)?;
        Ok(Response::new(TransferOwnershipResponse {}))
    }

    async fn leave_chat(&self, request: Request<LeaveChatRequest>) -> Result<Response<LeaveChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        self.0.leave_chat(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(LeaveChatResponse {}))
    }

    async fn ban_user(&self, request: Request<BanUserRequest>) -> Result<Response<BanUserResponse>, Status> {
        let caller = Caller::of(&request)?;
        let BanUserRequest { chat_id, user_id } = request.get_ref();
        let (chat_id, user_id) = chat_and_user(chat_id, user_id).map_err(to_status)?;
        self.0.ban_user(caller.user_id, chat_id, user_id).await.map_err(to_status)?;
        Ok(Response::new(BanUserResponse {}))
    }

    async fn unban_user(&self, request: Request<UnbanUserRequest>) -> Result<Response<UnbanUserResponse>, Status> {
        let caller = Caller::of(&request)?;
        let UnbanUserRequest { chat_id, user_id } = request.get_ref();
        let (chat_id, user_id) = chat_and_user(chat_id, user_id).map_err(to_status)?;
        self.0.unban_user(caller.user_id, chat_id, user_id).await.map_err(to_status)?;
        Ok(Response::new(UnbanUserResponse {}))
    }

    async fn list_bans(&self, request: Request<ListBansRequest>) -> Result<Response<ListBansResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListBansRequest { chat_id, limit, cursor } = request.get_ref();
        let (chat_id, cursor, limit) = people_page(chat_id, cursor, *limit).map_err(to_status)?;
        let page = self.0.list_bans(caller.user_id, chat_id, cursor, limit).await.map_err(to_status)?;
        Ok(Response::new(ListBansResponse {
            bans: page.items.into_iter().map(encode_ban).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.encode()).unwrap_or_default(),
        }))
    }
}

fn decode_added(request: &AddMembersRequest) -> Result<(ChatId, Vec<UserId>), InvalidField> {
    let user_ids = ids("user_ids", &request.user_ids, BATCH_IDS_MAX)?;
    if user_ids.is_empty() {
        return Err(InvalidField::new("user_ids", "must be 1 to 200"));
    }
    Ok((parse_id("chat_id", &request.chat_id)?, user_ids))
}

fn decode_role(role: pb::ChatRole) -> Result<Role, InvalidField> {
    match role {
        pb::ChatRole::Admin => Ok(Role::Admin),
        pb::ChatRole::Member => Ok(Role::Member),
        pb::ChatRole::Owner | pb::ChatRole::Unspecified => Err(InvalidField::new("role", "must be admin or member")),
    }
}

fn encode_ban(view: BanView) -> Ban {
    Ban {
        user: Some(view.user),
        banned_by_id: view.ban.banned_by.to_string(),
        banned_at: Some(timestamp(view.ban.banned_at)),
    }
}
