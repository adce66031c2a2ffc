use godwit_contract::message::v1::{
    GetMessageResponse, ListMessagesRequest, ListMessagesResponse, SendMessageRequest, SendMessageResponse,
    SyncChatResponse, SyncRequest, SyncResponse,
};
use godwit_kernel::{ChatId, MessageId};

use crate::client::Client;
use crate::error::Error;
use crate::log::Position;

impl Client {
    /// `POST /chats/{id}/messages`: answers when the message is committed. For sends that survive a lost connection
    /// use [`Connection::send`](crate::Connection::send).
    ///
    /// # Errors
    /// See [`Error`]. After [`Error::Unreachable`] a repeat with the same `client_message_id` is right.
    pub async fn send_message(
        &self,
        chat_id: ChatId,
        client_message_id: &str,
        text: &str,
    ) -> Result<SendMessageResponse, Error> {
        // The chat is in the path.
        let request = SendMessageRequest {
            chat_id: String::new(),
            client_message_id: client_message_id.to_owned(),
            text: text.to_owned(),
            ..SendMessageRequest::default()
        };
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "messages"]), &request).await
    }

    /// `GET /chats/{id}/messages`: the history. `request.chat_id` is not looked at.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_messages(
        &self,
        chat_id: ChatId,
        request: &ListMessagesRequest,
    ) -> Result<ListMessagesResponse, Error> {
        let mut target = self.http().get(&["chats", &chat_id.to_string(), "messages"]);
        if let Some(before_seq) = request.before_seq {
            target = target.query("before_seq", &before_seq.to_string());
        }
        if let Some(after_seq) = request.after_seq {
            target = target.query("after_seq", &after_seq.to_string());
        }
        self.call(target.query_unless_zero("limit", request.limit.into())).await
    }

    /// `GET /messages/{id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_message(&self, message_id: MessageId) -> Result<GetMessageResponse, Error> {
        self.call(self.http().get(&["messages", &message_id.to_string()])).await
    }

    /// `GET /chats/{id}/sync`: the updates of one chat after a position. A limit of 0 means the server's default.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn sync_chat(&self, chat_id: ChatId, after: &Position, limit: u32) -> Result<SyncChatResponse, Error> {
        let target = self.http().get(&["chats", &chat_id.to_string(), "sync"]);
        let target = target.query_unless_zero("after_seq", after.seq).query_unless_zero("limit", limit.into());
        self.call(target.query_unless_empty("epoch", &after.epoch)).await
    }

    /// `POST /sync`: what changed in all the caller's chats.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn sync(&self, request: &SyncRequest) -> Result<SyncResponse, Error> {
        self.call_with(self.http().post(&["sync"]), request).await
    }
}
