use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::{
    CheckAccessRequest, CheckAccessResponse, GetUsersRequest, GetUsersResponse, ListRevocationsRequest,
    ListRevocationsResponse, Revocation,
};
use godwit_rpc::{InvalidField, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, encode_user};

#[async_trait]
impl AuthInternalService for Server {
    async fn get_users(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        let ids = request.get_ref().user_ids.iter().map(|id| parse_id("user_ids", id));
        let ids = ids.collect::<Result<Vec<_>, InvalidField>>().map_err(to_status)?;
        let users = self.0.get_users(&ids).await.map_err(to_status)?;
        Ok(Response::new(GetUsersResponse { users: users.iter().map(encode_user).collect() }))
    }

    async fn list_revocations(
        &self,
        _: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        let revocations = self.0.list_revocations().await.map_err(to_status)?;
        let revocations = revocations.into_iter().map(|revocation| Revocation {
            session_id: revocation.session_id.to_string(),
            user_id: revocation.user_id.to_string(),
            revoked_at: Some(godwit_rpc::timestamp(revocation.revoked_at)),
        });
        Ok(Response::new(ListRevocationsResponse { revocations: revocations.collect(), has_more: false }))
    }

    async fn check_access(&self, _: Request<CheckAccessRequest>) -> Result<Response<CheckAccessResponse>, Status> {
        Err(Status::unimplemented("check_access"))
    }
}
