use godwit_contract::chat::v1::{
    ArchiveChatResponse, CreateFolderRequest, CreateFolderResponse, DeleteDraftResponse, DeleteFolderResponse,
    GetDraftResponse, ListFoldersResponse, MuteChatRequest, MuteChatResponse, SetDraftRequest, SetDraftResponse,
    UnarchiveChatResponse, UnmuteChatResponse, UpdateFolderRequest, UpdateFolderResponse,
};
use godwit_kernel::ChatId;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /chats/{chat_id}/mute`.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mute_chat(&self, chat_id: ChatId, request: &MuteChatRequest) -> Result<MuteChatResponse, Error> {
        self.call_with(self.http().post(&["chats", &chat_id.to_string(), "mute"]), request).await
    }

    /// `DELETE /chats/{chat_id}/mute`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unmute_chat(&self, chat_id: ChatId) -> Result<UnmuteChatResponse, Error> {
        self.call(self.http().delete(&["chats", &chat_id.to_string(), "mute"])).await
    }

    /// `POST /chats/{chat_id}/archive`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn archive_chat(&self, chat_id: ChatId) -> Result<ArchiveChatResponse, Error> {
        self.call(self.http().post(&["chats", &chat_id.to_string(), "archive"])).await
    }

    /// `DELETE /chats/{chat_id}/archive`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unarchive_chat(&self, chat_id: ChatId) -> Result<UnarchiveChatResponse, Error> {
        self.call(self.http().delete(&["chats", &chat_id.to_string(), "archive"])).await
    }

    /// `GET /chats/{chat_id}/draft`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_draft(&self, chat_id: ChatId) -> Result<GetDraftResponse, Error> {
        self.call(self.http().get(&["chats", &chat_id.to_string(), "draft"])).await
    }

    /// `PUT /chats/{chat_id}/draft`: the last one wins; a draft is told live and kept, but it is no update.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_draft(&self, chat_id: ChatId, request: &SetDraftRequest) -> Result<SetDraftResponse, Error> {
        self.call_with(self.http().put(&["chats", &chat_id.to_string(), "draft"]), request).await
    }

    /// `DELETE /chats/{chat_id}/draft`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_draft(&self, chat_id: ChatId) -> Result<DeleteDraftResponse, Error> {
        self.call(self.http().delete(&["chats", &chat_id.to_string(), "draft"])).await
    }

    /// `GET /folders`: in their order; at most 20.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_folders(&self) -> Result<ListFoldersResponse, Error> {
        self.call(self.http().get(&["folders"])).await
    }

    /// `POST /folders`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_folder(&self, request: &CreateFolderRequest) -> Result<CreateFolderResponse, Error> {
        self.call_with(self.http().post(&["folders"]), request).await
    }

    /// `PATCH /folders/{folder_id}`.
    /// What the path names is not looked at in `request`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_folder(
        &self,
        folder_id: &str,
        request: &UpdateFolderRequest,
    ) -> Result<UpdateFolderResponse, Error> {
        self.call_with(self.http().patch(&["folders", folder_id]), request).await
    }

    /// `DELETE /folders/{folder_id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_folder(&self, folder_id: &str) -> Result<DeleteFolderResponse, Error> {
        self.call(self.http().delete(&["folders", folder_id])).await
    }
}
