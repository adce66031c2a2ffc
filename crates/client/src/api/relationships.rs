use godwit_contract::auth::v1::{
    AcceptFriendRequest, AcceptFriendResponse, AddFriendRequest, AddFriendResponse, BlockUserRequest,
    BlockUserResponse, FriendRequestDirection, ListBlockedRequest, ListBlockedResponse, ListFriendRequestsRequest,
    ListFriendRequestsResponse, ListFriendsRequest, ListFriendsResponse, RejectFriendRequest, RejectFriendResponse,
    RemoveFriendResponse, UnblockUserResponse,
};
use godwit_kernel::UserId;

use crate::client::Client;
use crate::error::Error;

// The user is in the path of every call here, so the bodies say nothing.
impl Client {
    /// `GET /friends`: a page of the caller's friends, newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_friends(&self, request: &ListFriendsRequest) -> Result<ListFriendsResponse, Error> {
        let target = self.http().get(&["friends"]).query_unless_zero("limit", request.limit.into());
        self.call(target.query_unless_empty("cursor", &request.cursor)).await
    }

    /// `GET /friends/requests`: a page of the requests that wait for an answer, newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_friend_requests(
        &self,
        request: &ListFriendRequestsRequest,
    ) -> Result<ListFriendRequestsResponse, Error> {
        let mut target = self.http().get(&["friends", "requests"]);
        if request.direction() != FriendRequestDirection::Unspecified {
            target = target.query("direction", request.direction().as_str_name());
        }
        let target = target.query_unless_zero("limit", request.limit.into());
        self.call(target.query_unless_empty("cursor", &request.cursor)).await
    }

    /// `POST /friends/add/{id}`: asks a user to be friends, or takes their request.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_friend(&self, user_id: UserId) -> Result<AddFriendResponse, Error> {
        let target = self.http().post(&["friends", "add", &user_id.to_string()]);
        self.call_with(target, &AddFriendRequest::default()).await
    }

    /// `POST /friends/accept/{id}`: takes a user's request.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn accept_friend(&self, user_id: UserId) -> Result<AcceptFriendResponse, Error> {
        let target = self.http().post(&["friends", "accept", &user_id.to_string()]);
        self.call_with(target, &AcceptFriendRequest::default()).await
    }

    /// `POST /friends/reject/{id}`: declines a user's request.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn reject_friend(&self, user_id: UserId) -> Result<RejectFriendResponse, Error> {
        let target = self.http().post(&["friends", "reject", &user_id.to_string()]);
        self.call_with(target, &RejectFriendRequest::default()).await
    }

    /// `DELETE /friends/{id}`: ends a friendship, or takes the caller's request back.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_friend(&self, user_id: UserId) -> Result<RemoveFriendResponse, Error> {
        self.call(self.http().delete(&["friends", &user_id.to_string()])).await
    }

    /// `POST /users/{id}/block`: in force when this returns.
    ///
    /// # Errors
    /// See [`Error`]. After `BLOCK_NOT_READY` the block stands; a repeat waits for it to be in force.
    pub async fn block_user(&self, user_id: UserId) -> Result<BlockUserResponse, Error> {
        let target = self.http().post(&["users", &user_id.to_string(), "block"]);
        self.call_with(target, &BlockUserRequest::default()).await
    }

    /// `DELETE /users/{id}/block`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unblock_user(&self, user_id: UserId) -> Result<UnblockUserResponse, Error> {
        self.call(self.http().delete(&["users", &user_id.to_string(), "block"])).await
    }

    /// `GET /users/me/blocked`: a page of whom the caller blocks, newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_blocked(&self, request: &ListBlockedRequest) -> Result<ListBlockedResponse, Error> {
        let target = self.http().get(&["users", "me", "blocked"]).query_unless_zero("limit", request.limit.into());
        self.call(target.query_unless_empty("cursor", &request.cursor)).await
    }
}
