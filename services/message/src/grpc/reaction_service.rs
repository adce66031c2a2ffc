use godwit_contract::message::v1::reaction_service_server::ReactionService;
use godwit_contract::message::v1::{
    ListReactionsRequest, ListReactionsResponse, Reaction, RemoveReactionRequest, RemoveReactionResponse,
    SetReactionRequest, SetReactionResponse,
};
use godwit_kernel::limits::{PAGE_DEFAULT, PAGE_MAX, page_size};
use godwit_rpc::{Caller, InvalidField, parse_id, timestamp, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use crate::app::ListReactions;
use crate::domain::Emoji;

#[async_trait]
impl ReactionService for Server {
    async fn set_reaction(
        &self,
        request: Request<SetReactionRequest>,
    ) -> Result<Response<SetReactionResponse>, Status> {
        let caller = Caller::of(&request)?;
        let SetReactionRequest { message_id, emoji } = request.get_ref();
        let id = parse_id("message_id", message_id).map_err(to_status)?;
        let emoji = decode_emoji(emoji).map_err(to_status)?;
        self.0.set_reaction(caller.user_id, id, Some(emoji)).await.map_err(to_status)?;
        Ok(Response::new(SetReactionResponse {}))
    }

    async fn remove_reaction(
        &self,
        request: Request<RemoveReactionRequest>,
    ) -> Result<Response<RemoveReactionResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("message_id", &request.get_ref().message_id).map_err(to_status)?;
        self.0.set_reaction(caller.user_id, id, None).await.map_err(to_status)?;
        Ok(Response::new(RemoveReactionResponse {}))
    }

    async fn list_reactions(
        &self,
        request: Request<ListReactionsRequest>,
    ) -> Result<Response<ListReactionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let list = decode_list(request.into_inner()).map_err(to_status)?;
        let page = self.0.list_reactions(caller.user_id, list).await.map_err(to_status)?;
        let reactions = page.reactions.into_iter().map(|given| Reaction {
            user_id: given.user_id.to_string(),
            emoji: given.emoji.to_string(),
            reacted_at: Some(timestamp(given.reacted_at)),
        });
        Ok(Response::new(ListReactionsResponse { reactions: reactions.collect(), next_cursor: page.next_cursor }))
    }
}

fn decode_emoji(text: &str) -> Result<Emoji, InvalidField> {
    Emoji::parse(text).map_err(|violation| InvalidField::new("emoji", violation.0))
}

fn decode_list(request: ListReactionsRequest) -> Result<ListReactions, InvalidField> {
    let ListReactionsRequest { message_id, emoji, limit, cursor } = request;
    Ok(ListReactions {
        id: parse_id("message_id", &message_id)?,
        emoji: if emoji.is_empty() { None } else { Some(decode_emoji(&emoji)?) },
        limit: page_size(limit, PAGE_DEFAULT, PAGE_MAX),
        cursor,
    })
}
