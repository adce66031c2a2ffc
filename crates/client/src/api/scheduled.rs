use godwit_contract::message::v1::{
    DeleteScheduledResponse, ListScheduledResponse, ScheduleMessageRequest, ScheduleMessageResponse,
    UpdateScheduledRequest, UpdateScheduledResponse,
};
use godwit_kernel::ChatId;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `GET /chats/{chat_id}/scheduled`: the caller's of a chat, the next due first; at most 100.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_scheduled(&self, chat_id: ChatId) -> Result<ListScheduledResponse, Error> {
        self.call(self.http().get(&["chats", &chat_id.to_string(), "scheduled"])).await
    }

    /// `POST /chats/{chat_id}/scheduled`: the same client_message_id returns the first result, also once it is sent.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn schedule_message(
        &self,
        chat_id: ChatId,
        request: &ScheduleMessageRequest,
    ) -> Result<ScheduleMessageResponse, Error> {
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "scheduled"]), request).await
    }

    /// `PATCH /scheduled/{scheduled_id}`: changes what is not sent yet.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_scheduled(
        &self,
        scheduled_id: &str,
        request: &UpdateScheduledRequest,
    ) -> Result<UpdateScheduledResponse, Error> {
        self.call_with(self.http().patch(&["scheduled", scheduled_id]), request).await
    }

    /// `DELETE /scheduled/{scheduled_id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_scheduled(&self, scheduled_id: &str) -> Result<DeleteScheduledResponse, Error> {
        self.call(self.http().delete(&["scheduled", scheduled_id])).await
    }
}
