use godwit_contract::chat::v1::draft_internal_service_server::DraftInternalService;
use godwit_contract::chat::v1::{ListDraftsRequest, ListDraftsResponse};
use godwit_rpc::{parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use super::encode::encode_draft;

#[async_trait]
impl DraftInternalService for Server {
    async fn list_drafts(&self, request: Request<ListDraftsRequest>) -> Result<Response<ListDraftsResponse>, Status> {
        let user_id = parse_id("user_id", &request.get_ref().user_id).map_err(to_status)?;
        let drafts = self.0.list_drafts(user_id).await.map_err(to_status)?;
        Ok(Response::new(ListDraftsResponse { drafts: drafts.into_iter().filter_map(encode_draft).collect() }))
    }
}
