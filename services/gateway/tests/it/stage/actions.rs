//! Reactions and cursors, as the stand-in of the message service takes them.

use godwit_contract::message::v1::reaction_service_server::ReactionService;
use godwit_contract::message::v1::receipt_service_server::ReceiptService;
use godwit_contract::message::v1::*;
use godwit_rpc::{Caller, InvalidField, to_status};
use tonic::{Request, Response, Status};

use super::services::{Answer, Services};

#[tonic::async_trait]
impl ReactionService for Services {
    async fn set_reaction(&self, request: Request<SetReactionRequest>) -> Answer<SetReactionResponse> {
        Caller::of(&request)?;
        let SetReactionRequest { message_id, emoji } = request.into_inner();
        if emoji == "no" {
            return Err(to_status(InvalidField::new("emoji", "is none")));
        }
        self.actions.lock().push(format!("react {message_id} {emoji}"));
        Ok(Response::new(SetReactionResponse {}))
    }
    async fn remove_reaction(&self, request: Request<RemoveReactionRequest>) -> Answer<RemoveReactionResponse> {
        Caller::of(&request)?;
        self.actions.lock().push(format!("unreact {}", request.into_inner().message_id));
        Ok(Response::new(RemoveReactionResponse {}))
    }
    async fn list_reactions(&self, _: Request<ListReactionsRequest>) -> Answer<ListReactionsResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl ReceiptService for Services {
    async fn mark_message_read(&self, _: Request<MarkMessageReadRequest>) -> Answer<MarkMessageReadResponse> {
        Err(Status::unimplemented(""))
    }
    async fn mark_read(&self, request: Request<MarkReadRequest>) -> Answer<MarkReadResponse> {
        Caller::of(&request)?;
        let MarkReadRequest { chat_id, seq } = request.into_inner();
        self.actions.lock().push(format!("read {chat_id} {seq}"));
        Ok(Response::new(MarkReadResponse::default()))
    }
    async fn mark_delivered(&self, request: Request<MarkDeliveredRequest>) -> Answer<MarkDeliveredResponse> {
        Caller::of(&request)?;
        let MarkDeliveredRequest { chat_id, seq } = request.into_inner();
        self.actions.lock().push(format!("delivered {chat_id} {seq}"));
        Ok(Response::new(MarkDeliveredResponse::default()))
    }
    async fn get_receipts(&self, _: Request<GetReceiptsRequest>) -> Answer<GetReceiptsResponse> {
        Err(Status::unimplemented(""))
    }
}
