use godwit_contract::chat::v1::{
    CreateDirectChatRequest, CreateDirectChatResponse, GetChatResponse, ListChatsRequest, ListChatsResponse,
};
use godwit_kernel::{ChatId, UserId};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /chats`: the direct chat with a user, the same whoever asks.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_direct_chat(&self, user_id: UserId) -> Result<CreateDirectChatResponse, Error> {
        let request = CreateDirectChatRequest { user_id: user_id.to_string() };
        self.call_with(self.http().post(&["chats"]), &request).await
    }

    /// `GET /chats`: a page of the caller's chats.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_chats(&self, request: &ListChatsRequest) -> Result<ListChatsResponse, Error> {
        let target = self.http().get(&["chats"]).query_unless_zero("limit", request.limit.into());
        self.call(target.query_unless_empty("cursor", &request.cursor)).await
    }

    /// `GET /chats/{id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_chat(&self, chat_id: ChatId) -> Result<GetChatResponse, Error> {
        self.call(self.http().get(&["chats", &chat_id.to_string()])).await
    }
}
