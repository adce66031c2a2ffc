use godwit_contract::chat::v1::settings_service_server::SettingsService;
use godwit_contract::chat::v1::{
    ArchiveChatRequest, ArchiveChatResponse, CreateFolderRequest, CreateFolderResponse, DeleteDraftRequest,
    DeleteDraftResponse, DeleteFolderRequest, DeleteFolderResponse, GetDraftRequest, GetDraftResponse,
    ListFoldersRequest, ListFoldersResponse, MuteChatRequest, MuteChatResponse, SetDraftRequest, SetDraftResponse,
    UnarchiveChatRequest, UnarchiveChatResponse, UnmuteChatRequest, UnmuteChatResponse, UpdateFolderRequest,
    UpdateFolderResponse,
};
use tonic::{Request, Response, Status, async_trait};

use super::Server;

#[async_trait]
impl SettingsService for Server {
    async fn mute_chat(&self, _: Request<MuteChatRequest>) -> Result<Response<MuteChatResponse>, Status> {
        Err(Status::unimplemented("SettingsService.MuteChat"))
    }

    async fn unmute_chat(&self, _: Request<UnmuteChatRequest>) -> Result<Response<UnmuteChatResponse>, Status> {
        Err(Status::unimplemented("SettingsService.UnmuteChat"))
    }

    async fn archive_chat(&self, _: Request<ArchiveChatRequest>) -> Result<Response<ArchiveChatResponse>, Status> {
        Err(Status::unimplemented("SettingsService.ArchiveChat"))
    }

    async fn unarchive_chat(
        &self,
        _: Request<UnarchiveChatRequest>,
    ) -> Result<Response<UnarchiveChatResponse>, Status> {
        Err(Status::unimplemented("SettingsService.UnarchiveChat"))
    }

    async fn get_draft(&self, _: Request<GetDraftRequest>) -> Result<Response<GetDraftResponse>, Status> {
        Err(Status::unimplemented("SettingsService.GetDraft"))
    }

    async fn set_draft(&self, _: Request<SetDraftRequest>) -> Result<Response<SetDraftResponse>, Status> {
        Err(Status::unimplemented("SettingsService.SetDraft"))
    }

    async fn delete_draft(&self, _: Request<DeleteDraftRequest>) -> Result<Response<DeleteDraftResponse>, Status> {
        Err(Status::unimplemented("SettingsService.DeleteDraft"))
    }

    async fn list_folders(&self, _: Request<ListFoldersRequest>) -> Result<Response<ListFoldersResponse>, Status> {
        Err(Status::unimplemented("SettingsService.ListFolders"))
    }

    async fn create_folder(&self, _: Request<CreateFolderRequest>) -> Result<Response<CreateFolderResponse>, Status> {
        Err(Status::unimplemented("SettingsService.CreateFolder"))
    }

    async fn update_folder(&self, _: Request<UpdateFolderRequest>) -> Result<Response<UpdateFolderResponse>, Status> {
        Err(Status::unimplemented("SettingsService.UpdateFolder"))
    }

    async fn delete_folder(&self, _: Request<DeleteFolderRequest>) -> Result<Response<DeleteFolderResponse>, Status> {
        Err(Status::unimplemented("SettingsService.DeleteFolder"))
    }
}
