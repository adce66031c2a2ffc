use godwit_contract::message::v1::pin_service_server::PinService;
use godwit_contract::message::v1::{
    ListPinsRequest, ListPinsResponse, PinMessageRequest, PinMessageResponse, UnpinMessageRequest, UnpinMessageResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl PinService for Server {
    async fn pin_message(&self, _: Request<PinMessageRequest>) -> Result<Response<PinMessageResponse>, Status> {
        Err(Status::unimplemented("PinService.PinMessage"))
    }

    async fn unpin_message(&self, _: Request<UnpinMessageRequest>) -> Result<Response<UnpinMessageResponse>, Status> {
        Err(Status::unimplemented("PinService.UnpinMessage"))
    }

    async fn list_pins(&self, _: Request<ListPinsRequest>) -> Result<Response<ListPinsResponse>, Status> {
        Err(Status::unimplemented("PinService.ListPins"))
    }
}
