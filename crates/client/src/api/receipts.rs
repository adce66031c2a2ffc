use godwit_contract::message::v1::{
    GetReceiptsResponse, MarkDeliveredRequest, MarkDeliveredResponse, MarkMessageReadResponse, MarkReadRequest,
    MarkReadResponse,
};
use godwit_kernel::{ChatId, MessageId};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /messages/{message_id}/read`: everything up to this message is read.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mark_message_read(&self, message_id: MessageId) -> Result<MarkMessageReadResponse, Error> {
        self.call(self.http().post(&["messages", &message_id.to_string(), "read"])).await
    }

    /// `POST /chats/{chat_id}/read`: everything up to a seq is read, and so delivered.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mark_read(&self, chat_id: ChatId, request: &MarkReadRequest) -> Result<MarkReadResponse, Error> {
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "read"]), request).await
    }

    /// `POST /chats/{chat_id}/delivered`: everything up to a seq has reached a device of the caller.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mark_delivered(
        &self,
        chat_id: ChatId,
        request: &MarkDeliveredRequest,
    ) -> Result<MarkDeliveredResponse, Error> {
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "delivered"]), request).await
    }

    /// `GET /messages/{message_id}/receipts`: who of the others has read and received a message; in chats with more
    /// than 200 members only how many.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_receipts(&self, message_id: MessageId) -> Result<GetReceiptsResponse, Error> {
        self.call(self.http().get(&["messages", &message_id.to_string(), "receipts"])).await
    }
}
