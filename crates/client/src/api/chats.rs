use godwit_contract::chat::v1::{
    CreateDirectChatRequest, CreateDirectChatResponse, CreateGroupRequest, CreateGroupResponse, DeleteChatResponse,
    GetChatResponse, GetSavedMessagesResponse, ListChatsRequest, ListChatsResponse, UpdateChatRequest,
    UpdateChatResponse,
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

    /// `GET /chats/{id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_chat(&self, chat_id: ChatId) -> Result<GetChatResponse, Error> {
        self.call(self.http().get(&["chats", &chat_id.to_string()])).await
    }

    /// `GET /chats`: the caller's chats, the one with the newest message first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_chats(&self, request: &ListChatsRequest) -> Result<ListChatsResponse, Error> {
        self.call(
            self.http()
                .get(&["chats"])
                .query_unless_zero("limit", request.limit.into())
                .query_unless_empty("cursor", &request.cursor)
                .query_unless_empty("is_archived", if request.is_archived { "true" } else { "" })
                .query_unless_empty("folder_id", &request.folder_id),
        )
        .await
    }

    /// `GET /chats/saved`: what the caller keeps for themselves.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_saved_messages(&self) -> Result<GetSavedMessagesResponse, Error> {
        self.call(self.http().get(&["chats", "saved"])).await
    }

    /// `POST /chats/group`: the same client_chat_id returns the first result.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_group(&self, request: &CreateGroupRequest) -> Result<CreateGroupResponse, Error> {
        self.call_with(self.http().post(&["chats", "group"]), request).await
    }

    /// `PATCH /chats/{chat_id}`: of a group or channel; what is absent stays as it is.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_chat(&self, chat_id: ChatId, request: &UpdateChatRequest) -> Result<UpdateChatResponse, Error> {
        self.call_with(self.http().patch(&["chats", &chat_id.to_string()]), request).await
    }

    /// `DELETE /chats/{chat_id}`: a group or channel, by its owner: it is gone for everybody. A direct chat or Saved
    /// Messages: its history is gone for the caller.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_chat(&self, chat_id: ChatId) -> Result<DeleteChatResponse, Error> {
        self.call(self.http().delete(&["chats", &chat_id.to_string()])).await
    }
}
