use godwit_contract::message::v1::{
    DeleteMessageResponse, EditMessageRequest, EditMessageResponse, ForwardMessagesRequest, ForwardMessagesResponse,
    GetMessageHistoryResponse, GetMessageResponse, ListMessagesRequest, ListMessagesResponse, ReportMessageRequest,
    ReportMessageResponse, SendMessageRequest, SendMessageResponse, SyncChatResponse, SyncRequest, SyncResponse,
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

    /// `POST /chats/{id}/messages` with everything a message may have. `request.chat_id` is not looked at.
    ///
    /// # Errors
    /// As [`Self::send_message`].
    pub async fn send_content(
        &self,
        chat_id: ChatId,
        request: &SendMessageRequest,
    ) -> Result<SendMessageResponse, Error> {
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "messages"]), request).await
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
        if let Some(around_seq) = request.around_seq {
            target = target.query("around_seq", &around_seq.to_string());
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

    /// `POST /messages/forward`: up to 100 messages to up to 20 chats, in the order of their ids, with their origin.
    /// Each copy is committed or refused for itself; asking again with the same client_forward_id makes none twice.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn forward_messages(&self, request: &ForwardMessagesRequest) -> Result<ForwardMessagesResponse, Error> {
        self.call_with(self.http().post(&["messages", "forward"]), request).await
    }

    /// `PATCH /messages/{message_id}`: within 48 hours, by its sender; forwarded messages are not edited. The versions
    /// before are kept.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn edit_message(
        &self,
        message_id: MessageId,
        request: &EditMessageRequest,
    ) -> Result<EditMessageResponse, Error> {
        self.call_with(self.http().patch(&["messages", &message_id.to_string()]), request).await
    }

    /// `DELETE /messages/{message_id}`: for everyone, by its sender or an admin: its text is gone from history, sync,
    /// search and push when this returns. Or for the caller alone. What is deleted already stays so.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_message(
        &self,
        message_id: MessageId,
        is_for_me_only: bool,
    ) -> Result<DeleteMessageResponse, Error> {
        self.call(
            self.http()
                .delete(&["messages", &message_id.to_string()])
                .query_unless_empty("is_for_me_only", if is_for_me_only { "true" } else { "" }),
        )
        .await
    }

    /// `GET /messages/{message_id}/history`: all versions of a message, the oldest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_message_history(&self, message_id: MessageId) -> Result<GetMessageHistoryResponse, Error> {
        self.call(self.http().get(&["messages", &message_id.to_string(), "history"])).await
    }

    /// `POST /messages/{message_id}/report`: tells the moderators, once a person and message.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn report_message(
        &self,
        message_id: MessageId,
        request: &ReportMessageRequest,
    ) -> Result<ReportMessageResponse, Error> {
        self.call_with(self.http().post(&["messages", &message_id.to_string(), "report"]), request).await
    }
}
