use godwit_contract::message::v1::scheduled_service_server::ScheduledService;
use godwit_contract::message::v1::{
    DeleteScheduledRequest, DeleteScheduledResponse, ListScheduledRequest, ListScheduledResponse,
    ScheduleMessageRequest, ScheduleMessageResponse, UpdateScheduledRequest, UpdateScheduledResponse,
};
use godwit_rpc::{Caller, InvalidField, idempotency_key, instant, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, or_key};
use crate::app::{ScheduleMessage, SendMessage, UpdateScheduled};
use crate::wire::encode_scheduled;

#[async_trait]
impl ScheduledService for Server {
    async fn list_scheduled(
        &self,
        request: Request<ListScheduledRequest>,
    ) -> Result<Response<ListScheduledResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let scheduled = self.0.list_scheduled(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(ListScheduledResponse { scheduled: scheduled.iter().map(encode_scheduled).collect() }))
    }

    async fn schedule_message(
        &self,
        request: Request<ScheduleMessageRequest>,
    ) -> Result<Response<ScheduleMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let key = idempotency_key(&request).map_err(to_status)?;
        let ScheduleMessageRequest {
            chat_id,
            client_message_id,
            text,
            entities,
            media_ids,
            reply_to_message_id,
            is_silent,
            send_at,
        } = request.into_inner();
        let send_at = send_at.ok_or_else(|| to_status(InvalidField::new("send_at", "is missing")))?;
        let send_at = instant(&send_at).ok_or_else(no_instant)?;
        let client_message_id = or_key(client_message_id, key);
        let send =
            SendMessage { chat_id, client_message_id, text, entities, media_ids, reply_to_message_id, is_silent };
        let schedule = ScheduleMessage { send, send_at };
        let scheduled = self.0.schedule_message(caller.user_id, schedule).await.map_err(to_status)?;
        Ok(Response::new(ScheduleMessageResponse { scheduled: Some(encode_scheduled(&scheduled)) }))
    }

    async fn update_scheduled(
        &self,
        request: Request<UpdateScheduledRequest>,
    ) -> Result<Response<UpdateScheduledResponse>, Status> {
        let caller = Caller::of(&request)?;
        let UpdateScheduledRequest { scheduled_id, text, entities, send_at, is_silent } = request.into_inner();
        let update = UpdateScheduled {
            id: parse_id("scheduled_id", &scheduled_id).map_err(to_status)?,
            text: text.map(|text| (text, entities)),
            send_at: send_at.as_ref().map(|at| instant(at).ok_or_else(no_instant)).transpose()?,
            is_silent,
        };
        let scheduled = self.0.update_scheduled(caller.user_id, update).await.map_err(to_status)?;
        Ok(Response::new(UpdateScheduledResponse { scheduled: Some(encode_scheduled(&scheduled)) }))
    }

    async fn delete_scheduled(
        &self,
        request: Request<DeleteScheduledRequest>,
    ) -> Result<Response<DeleteScheduledResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_id("scheduled_id", &request.get_ref().scheduled_id).map_err(to_status)?;
        self.0.delete_scheduled(caller.user_id, id).await.map_err(to_status)?;
        Ok(Response::new(DeleteScheduledResponse {}))
    }
}

pub(super) fn no_instant() -> Status {
    to_status(InvalidField::new("send_at", "is not an instant"))
}
