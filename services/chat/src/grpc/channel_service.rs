use godwit_contract::chat::v1::channel_service_server::ChannelService;
use godwit_contract::chat::v1::{
    CreateChannelRequest, CreateChannelResponse, GetChannelRequest, GetChannelResponse, ListSubscribersRequest,
    ListSubscribersResponse, SubscribeRequest, SubscribeResponse, UnsubscribeRequest, UnsubscribeResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl ChannelService for Server {
    async fn create_channel(
        &self,
        _: Request<CreateChannelRequest>,
    ) -> Result<Response<CreateChannelResponse>, Status> {
        Err(Status::unimplemented("ChannelService.CreateChannel"))
    }

    async fn get_channel(&self, _: Request<GetChannelRequest>) -> Result<Response<GetChannelResponse>, Status> {
        Err(Status::unimplemented("ChannelService.GetChannel"))
    }

    async fn subscribe(&self, _: Request<SubscribeRequest>) -> Result<Response<SubscribeResponse>, Status> {
        Err(Status::unimplemented("ChannelService.Subscribe"))
    }

    async fn unsubscribe(&self, _: Request<UnsubscribeRequest>) -> Result<Response<UnsubscribeResponse>, Status> {
        Err(Status::unimplemented("ChannelService.Unsubscribe"))
    }

    async fn list_subscribers(
        &self,
        _: Request<ListSubscribersRequest>,
    ) -> Result<Response<ListSubscribersResponse>, Status> {
        Err(Status::unimplemented("ChannelService.ListSubscribers"))
    }
}
