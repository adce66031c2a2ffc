use godwit_contract::message::v1::{ListPinsResponse, PinMessageResponse, UnpinMessageResponse};
use godwit_kernel::{ChatId, MessageId};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /chats/{chat_id}/pin/{message_id}`: at most 50 of a chat. What is pinned already stays where it is.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn pin_message(&self, chat_id: ChatId, message_id: MessageId) -> Result<PinMessageResponse, Error> {
        self.call(self.http().post(&["chats", &chat_id.to_string(), "pin", &message_id.to_string()])).await
    }

    /// `DELETE /chats/{chat_id}/pin/{message_id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unpin_message(&self, chat_id: ChatId, message_id: MessageId) -> Result<UnpinMessageResponse, Error> {
        self.call(self.http().delete(&["chats", &chat_id.to_string(), "pin", &message_id.to_string()])).await
    }

    /// `GET /chats/{chat_id}/pins`: the newest pin first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_pins(&self, chat_id: ChatId) -> Result<ListPinsResponse, Error> {
        self.call(self.http().get(&["chats", &chat_id.to_string(), "pins"])).await
    }
}
