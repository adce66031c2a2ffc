use godwit_contract::chat::v1::invite_service_server::InviteService;
use godwit_contract::chat::v1::{
    AcceptJoinRequestRequest, AcceptJoinRequestResponse, CreateInviteRequest, CreateInviteResponse, GetInviteRequest,
    GetInviteResponse, JoinByInviteRequest, JoinByInviteResponse, ListInvitesRequest, ListInvitesResponse,
    ListJoinRequestsRequest, ListJoinRequestsResponse, RejectJoinRequestRequest, RejectJoinRequestResponse,
    RevokeInvitesRequest, RevokeInvitesResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl InviteService for Server {
    async fn create_invite(&self, _: Request<CreateInviteRequest>) -> Result<Response<CreateInviteResponse>, Status> {
        Err(Status::unimplemented("InviteService.CreateInvite"))
    }

    async fn list_invites(&self, _: Request<ListInvitesRequest>) -> Result<Response<ListInvitesResponse>, Status> {
        Err(Status::unimplemented("InviteService.ListInvites"))
    }

    async fn revoke_invites(
        &self,
        _: Request<RevokeInvitesRequest>,
    ) -> Result<Response<RevokeInvitesResponse>, Status> {
        Err(Status::unimplemented("InviteService.RevokeInvites"))
    }

    async fn get_invite(&self, _: Request<GetInviteRequest>) -> Result<Response<GetInviteResponse>, Status> {
        Err(Status::unimplemented("InviteService.GetInvite"))
    }

    async fn join_by_invite(&self, _: Request<JoinByInviteRequest>) -> Result<Response<JoinByInviteResponse>, Status> {
        Err(Status::unimplemented("InviteService.JoinByInvite"))
    }

    async fn list_join_requests(
        &self,
        _: Request<ListJoinRequestsRequest>,
    ) -> Result<Response<ListJoinRequestsResponse>, Status> {
        Err(Status::unimplemented("InviteService.ListJoinRequests"))
    }

    async fn accept_join_request(
        &self,
        _: Request<AcceptJoinRequestRequest>,
    ) -> Result<Response<AcceptJoinRequestResponse>, Status> {
        Err(Status::unimplemented("InviteService.AcceptJoinRequest"))
    }

    async fn reject_join_request(
        &self,
        _: Request<RejectJoinRequestRequest>,
    ) -> Result<Response<RejectJoinRequestResponse>, Status> {
        Err(Status::unimplemented("InviteService.RejectJoinRequest"))
    }
}
