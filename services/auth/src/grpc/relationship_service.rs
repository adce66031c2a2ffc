use godwit_contract::auth::v1::relationship_service_server::RelationshipService;
use godwit_contract::auth::v1::{
    AcceptFriendRequest, AcceptFriendResponse, AddFriendRequest, AddFriendResponse, BlockUserRequest,
    BlockUserResponse, ListBlockedRequest, ListBlockedResponse, ListFriendRequestsRequest, ListFriendRequestsResponse,
    ListFriendsRequest, ListFriendsResponse, RejectFriendRequest, RejectFriendResponse, RemoveFriendRequest,
    RemoveFriendResponse, UnblockUserRequest, UnblockUserResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl RelationshipService for Server {
    async fn list_friends(&self, _: Request<ListFriendsRequest>) -> Result<Response<ListFriendsResponse>, Status> {
        Err(Status::unimplemented("list_friends"))
    }

    async fn list_friend_requests(
        &self,
        _: Request<ListFriendRequestsRequest>,
    ) -> Result<Response<ListFriendRequestsResponse>, Status> {
        Err(Status::unimplemented("list_friend_requests"))
    }

    async fn add_friend(&self, _: Request<AddFriendRequest>) -> Result<Response<AddFriendResponse>, Status> {
        Err(Status::unimplemented("add_friend"))
    }

    async fn accept_friend(&self, _: Request<AcceptFriendRequest>) -> Result<Response<AcceptFriendResponse>, Status> {
        Err(Status::unimplemented("accept_friend"))
    }

    async fn reject_friend(&self, _: Request<RejectFriendRequest>) -> Result<Response<RejectFriendResponse>, Status> {
        Err(Status::unimplemented("reject_friend"))
    }

    async fn remove_friend(&self, _: Request<RemoveFriendRequest>) -> Result<Response<RemoveFriendResponse>, Status> {
        Err(Status::unimplemented("remove_friend"))
    }

    async fn block_user(&self, _: Request<BlockUserRequest>) -> Result<Response<BlockUserResponse>, Status> {
        Err(Status::unimplemented("block_user"))
    }

    async fn unblock_user(&self, _: Request<UnblockUserRequest>) -> Result<Response<UnblockUserResponse>, Status> {
        Err(Status::unimplemented("unblock_user"))
    }

    async fn list_blocked(&self, _: Request<ListBlockedRequest>) -> Result<Response<ListBlockedResponse>, Status> {
        Err(Status::unimplemented("list_blocked"))
    }
}
