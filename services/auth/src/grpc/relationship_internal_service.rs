use godwit_contract::auth::v1::relationship_internal_service_server::RelationshipInternalService;
use godwit_contract::auth::v1::{ListFriendIdsRequest, ListFriendIdsResponse};
use godwit_kernel::UserId;
use godwit_rpc::{parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl RelationshipInternalService for Server {
    async fn list_friend_ids(
        &self,
        request: Request<ListFriendIdsRequest>,
    ) -> Result<Response<ListFriendIdsResponse>, Status> {
        let ListFriendIdsRequest { user_id, after_user_id, limit } = request.into_inner();
        let user_id = parse_id("user_id", &user_id).map_err(to_status)?;
        let after = (!after_user_id.is_empty()).then(|| parse_id("after_user_id", &after_user_id));
        let after = after.transpose().map_err(to_status)?;
        let page = self.0.list_friend_ids(user_id, after, limit).await.map_err(to_status)?;
        let user_ids = page.user_ids.iter().map(UserId::to_string).collect();
        Ok(Response::new(ListFriendIdsResponse { user_ids, has_more: page.has_more }))
    }
}
