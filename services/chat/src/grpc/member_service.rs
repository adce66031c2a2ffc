use godwit_contract::chat::v1::member_service_server::MemberService;
use godwit_contract::chat::v1::{
    AddMembersRequest, AddMembersResponse, BanUserRequest, BanUserResponse, ChangeRoleRequest, ChangeRoleResponse,
    LeaveChatRequest, LeaveChatResponse, ListBansRequest, ListBansResponse, ListChatMembersRequest,
    ListChatMembersResponse, RemoveMemberRequest, RemoveMemberResponse, TransferOwnershipRequest,
    TransferOwnershipResponse, UnbanUserRequest, UnbanUserResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl MemberService for Server {
    async fn list_chat_members(
        &self,
        _: Request<ListChatMembersRequest>,
    ) -> Result<Response<ListChatMembersResponse>, Status> {
        Err(Status::unimplemented("MemberService.ListChatMembers"))
    }

    async fn add_members(&self, _: Request<AddMembersRequest>) -> Result<Response<AddMembersResponse>, Status> {
        Err(Status::unimplemented("MemberService.AddMembers"))
    }

    async fn change_role(&self, _: Request<ChangeRoleRequest>) -> Result<Response<ChangeRoleResponse>, Status> {
        Err(Status::unimplemented("MemberService.ChangeRole"))
    }

    async fn remove_member(&self, _: Request<RemoveMemberRequest>) -> Result<Response<RemoveMemberResponse>, Status> {
        Err(Status::unimplemented("MemberService.RemoveMember"))
    }

    async fn transfer_ownership(
        &self,
        _: Request<TransferOwnershipRequest>,
    ) -> Result<Response<TransferOwnershipResponse>, Status> {
        Err(Status::unimplemented("MemberService.TransferOwnership"))
    }

    async fn leave_chat(&self, _: Request<LeaveChatRequest>) -> Result<Response<LeaveChatResponse>, Status> {
        Err(Status::unimplemented("MemberService.LeaveChat"))
    }

    async fn ban_user(&self, _: Request<BanUserRequest>) -> Result<Response<BanUserResponse>, Status> {
        Err(Status::unimplemented("MemberService.BanUser"))
    }

    async fn unban_user(&self, _: Request<UnbanUserRequest>) -> Result<Response<UnbanUserResponse>, Status> {
        Err(Status::unimplemented("MemberService.UnbanUser"))
    }

    async fn list_bans(&self, _: Request<ListBansRequest>) -> Result<Response<ListBansResponse>, Status> {
        Err(Status::unimplemented("MemberService.ListBans"))
    }
}
