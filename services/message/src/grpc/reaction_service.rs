use godwit_contract::message::v1::reaction_service_server::ReactionService;
use godwit_contract::message::v1::{
    ListReactionsRequest, ListReactionsResponse, RemoveReactionRequest, RemoveReactionResponse, SetReactionRequest,
    SetReactionResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl ReactionService for Server {
    async fn set_reaction(&self, _: Request<SetReactionRequest>) -> Result<Response<SetReactionResponse>, Status> {
        Err(Status::unimplemented("ReactionService.SetReaction"))
    }

    async fn remove_reaction(
        &self,
        _: Request<RemoveReactionRequest>,
    ) -> Result<Response<RemoveReactionResponse>, Status> {
        Err(Status::unimplemented("ReactionService.RemoveReaction"))
    }

    async fn list_reactions(
        &self,
        _: Request<ListReactionsRequest>,
    ) -> Result<Response<ListReactionsResponse>, Status> {
        Err(Status::unimplemented("ReactionService.ListReactions"))
    }
}
