use godwit_contract::auth::v1::directory_internal_service_server::DirectoryInternalService;
use godwit_contract::auth::v1::{ListUserIdsRequest, ListUserIdsResponse};
use godwit_kernel::UserId;
use godwit_rpc::{parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl DirectoryInternalService for Server {
    async fn list_user_ids(
        &self,
        request: Request<ListUserIdsRequest>,
    ) -> Result<Response<ListUserIdsResponse>, Status> {
        let ListUserIdsRequest { after_user_id, limit } = request.into_inner();
        let after = (!after_user_id.is_empty()).then(|| parse_id("after_user_id", &after_user_id));
        let page = self.0.list_user_ids(after.transpose().map_err(to_status)?, limit).await.map_err(to_status)?;
        let user_ids = page.user_ids.iter().map(UserId::to_string).collect();
        Ok(Response::new(ListUserIdsResponse { user_ids, has_more: page.has_more }))
    }
}
