use godwit_contract::chat::v1::settings_service_server::SettingsService;
use godwit_contract::chat::v1::{
    ArchiveChatRequest, ArchiveChatResponse, CreateFolderRequest, CreateFolderResponse, DeleteDraftRequest,
    DeleteDraftResponse, DeleteFolderRequest, DeleteFolderResponse, GetDraftRequest, GetDraftResponse,
    ListFoldersRequest, ListFoldersResponse, MuteChatRequest, MuteChatResponse, SetDraftRequest, SetDraftResponse,
    UnarchiveChatRequest, UnarchiveChatResponse, UnmuteChatRequest, UnmuteChatResponse, UpdateFolderRequest,
    UpdateFolderResponse,
};
use godwit_kernel::ChatId;
use godwit_rpc::{Caller, InvalidField, idempotency_key, instant, parse_id, to_status};
use time::OffsetDateTime;
use tonic::{Request, Response, Status, async_trait};

use super::Server;
use super::decode::{draft, field};
use super::encode::encode_draft;
use crate::app::FolderChanges;
use crate::domain::{FolderId, Mute, check_folder_chats, folder_title};
use crate::error::Error;
use crate::events::encode::{encode_folder, encode_settings};

#[async_trait]
impl SettingsService for Server {
    async fn mute_chat(&self, request: Request<MuteChatRequest>) -> Result<Response<MuteChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let mute = decode_mute(request.get_ref(), self.0.clock.now()).map_err(to_status)?;
        let settings = self.0.mute_chat(caller.user_id, chat_id, mute).await.map_err(to_status)?;
        Ok(Response::new(MuteChatResponse { settings: Some(encode_settings(settings)) }))
    }

    async fn unmute_chat(&self, request: Request<UnmuteChatRequest>) -> Result<Response<UnmuteChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let settings = self.0.mute_chat(caller.user_id, chat_id, Mute::Off).await.map_err(to_status)?;
        Ok(Response::new(UnmuteChatResponse { settings: Some(encode_settings(settings)) }))
    }

    async fn archive_chat(
        &self,
        request: Request<ArchiveChatRequest>,
    ) -> Result<Response<ArchiveChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let settings = self.0.archive_chat(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(ArchiveChatResponse { settings: Some(encode_settings(settings)) }))
    }

    async fn unarchive_chat(
        &self,
        request: Request<UnarchiveChatRequest>,
    ) -> Result<Response<UnarchiveChatResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let settings = self.0.unarchive_chat(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(UnarchiveChatResponse { settings: Some(encode_settings(settings)) }))
    }

    async fn get_draft(&self, request: Request<GetDraftRequest>) -> Result<Response<GetDraftResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        let draft = self.0.get_draft(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(GetDraftResponse { draft: draft.and_then(encode_draft) }))
    }

    async fn set_draft(&self, request: Request<SetDraftRequest>) -> Result<Response<SetDraftResponse>, Status> {
        let caller = Caller::of(&request)?;
        let SetDraftRequest { chat_id, text, entities, reply_to_message_id } = request.into_inner();
        let chat_id = parse_id("chat_id", &chat_id).map_err(to_status)?;
        let draft = draft(chat_id, text, entities, reply_to_message_id).map_err(to_status)?;
        let draft = self.0.set_draft(caller.user_id, chat_id, draft).await.map_err(to_status)?;
        Ok(Response::new(SetDraftResponse { draft: Some(draft) }))
    }

    async fn delete_draft(
        &self,
        request: Request<DeleteDraftRequest>,
    ) -> Result<Response<DeleteDraftResponse>, Status> {
        let caller = Caller::of(&request)?;
        let chat_id = parse_id("chat_id", &request.get_ref().chat_id).map_err(to_status)?;
        self.0.delete_draft(caller.user_id, chat_id).await.map_err(to_status)?;
        Ok(Response::new(DeleteDraftResponse {}))
    }

    async fn list_folders(
        &self,
        request: Request<ListFoldersRequest>,
    ) -> Result<Response<ListFoldersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let folders = self.0.list_folders(caller.user_id).await.map_err(to_status)?;
        Ok(Response::new(ListFoldersResponse { folders: folders.iter().map(encode_folder).collect() }))
    }

    async fn create_folder(
        &self,
        request: Request<CreateFolderRequest>,
    ) -> Result<Response<CreateFolderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let key = idempotency_key(&request).map_err(to_status)?;
        let CreateFolderRequest { title, chat_ids } = request.get_ref();
        let title = field("title", folder_title(title)).map_err(to_status)?;
        let chat_ids = decode_chats(chat_ids).map_err(to_status)?;
        let folder = self.0.create_folder(caller.user_id, title, chat_ids, key).await.map_err(to_status)?;
        Ok(Response::new(CreateFolderResponse { folder: Some(encode_folder(&folder)) }))
    }

    async fn update_folder(
        &self,
        request: Request<UpdateFolderRequest>,
    ) -> Result<Response<UpdateFolderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (folder_id, changes) = decode_changes(request.get_ref()).map_err(to_status)?;
        let folder = self.0.update_folder(caller.user_id, folder_id, changes).await.map_err(to_status)?;
        Ok(Response::new(UpdateFolderResponse { folder: Some(encode_folder(&folder)) }))
    }

    async fn delete_folder(
        &self,
        request: Request<DeleteFolderRequest>,
    ) -> Result<Response<DeleteFolderResponse>, Status> {
        let caller = Caller::of(&request)?;
        let folder_id = parse_id("folder_id", &request.get_ref().folder_id).map_err(to_status)?;
        self.0.delete_folder(caller.user_id, folder_id).await.map_err(to_status)?;
        Ok(Response::new(DeleteFolderResponse {}))
    }
}

fn decode_mute(request: &MuteChatRequest, now: OffsetDateTime) -> Result<Mute, Error> {
    let Some(until) = &request.until else {
        return Ok(Mute::Forever);
    };
    match instant(until) {
        Some(until) if until > now => Ok(Mute::Until(until)),
        Some(_) => Err(InvalidField::new("until", "lies in the past").into()),
        None => Err(InvalidField::new("until", "is not an instant").into()),
    }
}

fn decode_chats(chat_ids: &[String]) -> Result<Vec<ChatId>, InvalidField> {
    let chat_ids: Vec<ChatId> = super::decode::ids("chat_ids", chat_ids, godwit_kernel::limits::BATCH_IDS_MAX)?;
    field("chat_ids", check_folder_chats(&chat_ids))?;
    Ok(chat_ids)
}

fn decode_changes(request: &UpdateFolderRequest) -> Result<(FolderId, FolderChanges), InvalidField> {
    let title = request.title.as_deref().map(|title| field("title", folder_title(title)));
    let chat_ids = decode_chats(&request.chat_ids)?;
    let changes = FolderChanges {
        title: title.transpose()?,
        chat_ids: request.replaces_chats.then_some(chat_ids),
        position: request.position.map(|position| usize::try_from(position).unwrap_or(usize::MAX)),
    };
    Ok((parse_id("folder_id", &request.folder_id)?, changes))
}
