use godwit_contract::auth::v1::relationship_service_server::RelationshipService;
use godwit_contract::auth::v1::{
    AcceptFriendRequest, AcceptFriendResponse, AddFriendRequest, AddFriendResponse, BlockUserRequest,
    BlockUserResponse, BlockedUser, Friend, FriendRequest, FriendRequestDirection, ListBlockedRequest,
    ListBlockedResponse, ListFriendRequestsRequest, ListFriendRequestsResponse, ListFriendsRequest,
    ListFriendsResponse, RejectFriendRequest, RejectFriendResponse, Relationship, RemoveFriendRequest,
    RemoveFriendResponse, UnblockUserRequest, UnblockUserResponse,
};
use godwit_kernel::UserId;
use godwit_kernel::limits::{PAGE_DEFAULT, PAGE_MAX, page_size};
use godwit_rpc::{Caller, InvalidField, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, encode_relationship, encode_user};
use crate::Error;
use crate::app::{ListedPerson, PeoplePage};
use crate::domain::{PeopleCursor, PeopleList, Step};

#[async_trait]
impl RelationshipService for Server {
    async fn list_friends(
        &self,
        request: Request<ListFriendsRequest>,
    ) -> Result<Response<ListFriendsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListFriendsRequest { limit, cursor } = request.into_inner();
        let page = self.page(caller.user_id, PeopleList::Friends, &cursor, limit).await?;
        let friend =
            |listed: &ListedPerson| Friend { user: Some(encode_user(&listed.user)), since: Some(timestamp(listed.at)) };
        Ok(Response::new(ListFriendsResponse {
            friends: page.people.iter().map(friend).collect(),
            next_cursor: next_cursor(&page),
        }))
    }

    async fn list_friend_requests(
        &self,
        request: Request<ListFriendRequestsRequest>,
    ) -> Result<Response<ListFriendRequestsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListFriendRequestsRequest { direction, limit, cursor } = request.into_inner();
        let list = match FriendRequestDirection::try_from(direction) {
            Ok(FriendRequestDirection::Unspecified) => PeopleList::Requests,
            Ok(FriendRequestDirection::Incoming) => PeopleList::IncomingRequests,
            Ok(FriendRequestDirection::Outgoing) => PeopleList::OutgoingRequests,
            Err(_) => return Err(to_status(InvalidField::new("direction", "is not a direction"))),
        };
        let page = self.page(caller.user_id, list, &cursor, limit).await?;
        Ok(Response::new(ListFriendRequestsResponse {
            requests: page.people.iter().map(encode_request).collect(),
            next_cursor: next_cursor(&page),
        }))
    }

    async fn add_friend(&self, request: Request<AddFriendRequest>) -> Result<Response<AddFriendResponse>, Status> {
        let caller = Caller::of(&request)?;
        let relationship = self.step(caller, &request.get_ref().user_id, Step::Add).await?;
        Ok(Response::new(AddFriendResponse { relationship: Some(relationship) }))
    }

    async fn accept_friend(
        &self,
        request: Request<AcceptFriendRequest>,
    ) -> Result<Response<AcceptFriendResponse>, Status> {
        let caller = Caller::of(&request)?;
        let relationship = self.step(caller, &request.get_ref().user_id, Step::Accept).await?;
        Ok(Response::new(AcceptFriendResponse { relationship: Some(relationship) }))
    }

    async fn reject_friend(
        &self,
        request: Request<RejectFriendRequest>,
    ) -> Result<Response<RejectFriendResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.step(caller, &request.get_ref().user_id, Step::Reject).await?;
        Ok(Response::new(RejectFriendResponse {}))
    }

    async fn remove_friend(
        &self,
        request: Request<RemoveFriendRequest>,
    ) -> Result<Response<RemoveFriendResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.step(caller, &request.get_ref().user_id, Step::Remove).await?;
        Ok(Response::new(RemoveFriendResponse {}))
    }

    async fn block_user(&self, request: Request<BlockUserRequest>) -> Result<Response<BlockUserResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.step(caller, &request.get_ref().user_id, Step::Block).await?;
        Ok(Response::new(BlockUserResponse {}))
    }

    async fn unblock_user(
        &self,
        request: Request<UnblockUserRequest>,
    ) -> Result<Response<UnblockUserResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.step(caller, &request.get_ref().user_id, Step::Unblock).await?;
        Ok(Response::new(UnblockUserResponse {}))
    }

    async fn list_blocked(
        &self,
        request: Request<ListBlockedRequest>,
    ) -> Result<Response<ListBlockedResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListBlockedRequest { limit, cursor } = request.into_inner();
        let page = self.page(caller.user_id, PeopleList::Blocked, &cursor, limit).await?;
        let blocked = |listed: &ListedPerson| BlockedUser {
            user: Some(encode_user(&listed.user)),
            since: Some(timestamp(listed.at)),
        };
        Ok(Response::new(ListBlockedResponse {
            users: page.people.iter().map(blocked).collect(),
            next_cursor: next_cursor(&page),
        }))
    }
}

impl Server {
    async fn step(&self, caller: Caller, user_id: &str, step: Step) -> Result<Relationship, Status> {
        let user_id = parse_id("user_id", user_id).map_err(to_status)?;
        let (relationship, side) =
            self.0.change_relationship(caller.user_id, user_id, step).await.map_err(to_status)?;
        Ok(encode_relationship(&relationship, side))
    }

    async fn page(&self, owner: UserId, list: PeopleList, cursor: &str, limit: u32) -> Result<PeoplePage, Status> {
        let after = (!cursor.is_empty()).then(|| PeopleCursor::decode(list, cursor)).transpose();
        let after = after.map_err(Error::from).map_err(to_status)?;
        let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX);
        self.0.list_people(owner, list, after, limit).await.map_err(to_status)
    }
}

fn encode_request(listed: &ListedPerson) -> FriendRequest {
    let direction =
        if listed.is_incoming { FriendRequestDirection::Incoming } else { FriendRequestDirection::Outgoing };
    FriendRequest {
        user: Some(encode_user(&listed.user)),
        direction: direction.into(),
        created_at: Some(timestamp(listed.at)),
    }
}

fn next_cursor(page: &PeoplePage) -> String {
    page.next_cursor.map(|cursor| cursor.encode()).unwrap_or_default()
}
