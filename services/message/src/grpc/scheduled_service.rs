use godwit_contract::message::v1::scheduled_service_server::ScheduledService;
use godwit_contract::message::v1::{
    DeleteScheduledRequest, DeleteScheduledResponse, ListScheduledRequest, ListScheduledResponse,
    ScheduleMessageRequest, ScheduleMessageResponse, UpdateScheduledRequest, UpdateScheduledResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl ScheduledService for Server {
    async fn list_scheduled(
        &self,
        _: Request<ListScheduledRequest>,
    ) -> Result<Response<ListScheduledResponse>, Status> {
        Err(Status::unimplemented("ScheduledService.ListScheduled"))
    }

    async fn schedule_message(
        &self,
        _: Request<ScheduleMessageRequest>,
    ) -> Result<Response<ScheduleMessageResponse>, Status> {
        Err(Status::unimplemented("ScheduledService.ScheduleMessage"))
    }

    async fn update_scheduled(
        &self,
        _: Request<UpdateScheduledRequest>,
    ) -> Result<Response<UpdateScheduledResponse>, Status> {
        Err(Status::unimplemented("ScheduledService.UpdateScheduled"))
    }

    async fn delete_scheduled(
        &self,
        _: Request<DeleteScheduledRequest>,
    ) -> Result<Response<DeleteScheduledResponse>, Status> {
        Err(Status::unimplemented("ScheduledService.DeleteScheduled"))
    }
}
