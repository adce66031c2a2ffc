use godwit_contract::message::v1::receipt_service_server::ReceiptService;
use godwit_contract::message::v1::{
    GetReceiptsRequest, GetReceiptsResponse, MarkDeliveredRequest, MarkDeliveredResponse, MarkMessageReadRequest,
    MarkMessageReadResponse, MarkReadRequest, MarkReadResponse,
};
use godwit_contract::v1 as pb;
use godwit_kernel::{MessageId, UserId};
use godwit_rpc::{Caller, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, decode_seq};
use crate::app::Standing;
use crate::domain::Cursors;
use crate::error::Error;

#[async_trait]
impl ReceiptService for Server {
    async fn mark_message_read(
        &self,
        request: Request<MarkMessageReadRequest>,
    ) -> Result<Response<MarkMessageReadResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id: MessageId = parse_id("message_id", &request.get_ref().message_id).map_err(to_status)?;
        let cursors = Cursors { read_seq: id.seq, delivered_seq: id.seq };
        let standing = self.0.mark_read(caller.user_id, id.chat_id, cursors).await;
        let standing = standing.map_err(|error| match error {
            Error::ChatNotFound => to_status(Error::MessageNotFound),
            error => to_status(error),
        })?;
        Ok(Response::new(MarkMessageReadResponse { receipt: Some(encode(standing.user_id, standing.cursors)) }))
    }

    async fn mark_read(&self, request: Request<MarkReadRequest>) -> Result<Response<MarkReadResponse>, Status> {
        let caller = Caller::of(&request)?;
        let MarkReadRequest { chat_id, seq } = request.get_ref();
        let seq = decode_seq("seq", *seq).map_err(to_status)?;
        let cursors = Cursors { read_seq: seq, delivered_seq: seq };
        let receipt = self.advance(&caller, chat_id, cursors).await?;
        Ok(Response::new(MarkReadResponse { receipt: Some(receipt) }))
    }

    async fn mark_delivered(
        &self,
        request: Request<MarkDeliveredRequest>,
    ) -> Result<Response<MarkDeliveredResponse>, Status> {
        let caller = Caller::of(&request)?;
        let MarkDeliveredRequest { chat_id, seq } = request.get_ref();
        let delivered_seq = decode_seq("seq", *seq).map_err(to_status)?;
        let receipt = self.advance(&caller, chat_id, Cursors { delivered_seq, ..Cursors::default() }).await?;
        Ok(Response::new(MarkDeliveredResponse { receipt: Some(receipt) }))
    }

    async fn get_receipts(
        &self,
        request: Request<GetReceiptsRequest>,
    ) -> Result<Response<GetReceiptsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("message_id", &request.get_ref().message_id).map_err(to_status)?;
        let found = self.0.get_receipts(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(GetReceiptsResponse {
            read_count: found.read_count,
            delivered_count: found.delivered_count,
            receipts: found.receipts.into_iter().map(|(user_id, cursors)| encode(user_id, cursors)).collect(),
        }))
    }
}

impl Server {
    async fn advance(&self, caller: &Caller, chat_id: &str, cursors: Cursors) -> Result<pb::Receipt, Status> {
        let chat_id = parse_id("chat_id", chat_id).map_err(to_status)?;
        let Standing { user_id, cursors } =
            self.0.mark_read(caller.user_id, chat_id, cursors).await.map_err(to_status)?;
        Ok(encode(user_id, cursors))
    }
}

pub(super) fn encode(user_id: UserId, cursors: Cursors) -> pb::Receipt {
    pb::Receipt {
        user_id: user_id.to_string(),
        read_seq: cursors.read_seq.get(),
        delivered_seq: cursors.delivered_seq.get(),
    }
}
