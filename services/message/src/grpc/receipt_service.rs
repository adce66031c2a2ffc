use godwit_contract::message::v1::receipt_service_server::ReceiptService;
use godwit_contract::message::v1::{
    GetReceiptsRequest, GetReceiptsResponse, MarkDeliveredRequest, MarkDeliveredResponse, MarkMessageReadRequest,
    MarkMessageReadResponse, MarkReadRequest, MarkReadResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl ReceiptService for Server {
    async fn mark_message_read(
        &self,
        _: Request<MarkMessageReadRequest>,
    ) -> Result<Response<MarkMessageReadResponse>, Status> {
        Err(Status::unimplemented("ReceiptService.MarkMessageRead"))
    }

    async fn mark_read(&self, _: Request<MarkReadRequest>) -> Result<Response<MarkReadResponse>, Status> {
        Err(Status::unimplemented("ReceiptService.MarkRead"))
    }

    async fn mark_delivered(
        &self,
        _: Request<MarkDeliveredRequest>,
    ) -> Result<Response<MarkDeliveredResponse>, Status> {
        Err(Status::unimplemented("ReceiptService.MarkDelivered"))
    }

    async fn get_receipts(&self, _: Request<GetReceiptsRequest>) -> Result<Response<GetReceiptsResponse>, Status> {
        Err(Status::unimplemented("ReceiptService.GetReceipts"))
    }
}
