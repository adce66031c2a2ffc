use std::collections::HashSet;

use godwit_kernel::{ChatId, UserId};
use godwit_pg::Connection;

use super::super::App;
use super::super::changes::saved_chat_of;
use crate::domain::{FOLDERS_MAX, Folder, FolderId};
use crate::error::Error;
use crate::events::outgoing;
use crate::store::{self, Transactional as _};

/// What is to be changed of a folder; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderChanges {
    /// What it is called.
    pub title: Option<String>,
    /// All its chats.
    pub chat_ids: Option<Vec<ChatId>>,
    /// Its place among the folders, from 0; the last one when it is greater.
    pub position: Option<usize>,
}

/// A change of somebody's folders.
#[derive(Clone, Debug)]
enum Change {
    Add(Folder),
    Edit(FolderId, FolderChanges),
    Remove(FolderId),
}

impl App {
    /// The folders of the caller, in their order; at most 20.
    ///
    /// # Errors
    /// When the database does.
    #[tracing::instrument(name = "chat.list_folders", skip_all, err(level = "debug"))]
    pub async fn list_folders(&self, caller: UserId) -> Result<Vec<Folder>, Error> {
        let mut conn = self.pool.get().await?;
        Ok(store::folders_of(&mut conn, caller).await?)
    }

    /// Makes a folder behind the others. Again under the same key: the one that was made, as it is now.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] when the caller is not in one of the chats, [`Error::TooManyFolders`]; [`Error::NotReady`]
    /// when it is made but the caller's log does not have it yet.
    #[tracing::instrument(name = "chat.create_folder", skip_all, err(level = "debug"))]
    pub async fn create_folder(
        &self,
        caller: UserId,
        title: String,
        chat_ids: Vec<ChatId>,
        key: Option<String>,
    ) -> Result<Folder, Error> {
        let id = match key {
            Some(key) => FolderId::of_key(caller, &key),
            None => FolderId::generate(self.clock.as_ref(), self.entropy.as_ref()),
        };
        let folders = self.change_folders(caller, Change::Add(Folder { id, title, chat_ids })).await?;
        folders.into_iter().find(|folder| folder.id == id).ok_or(Error::FolderNotFound)
    }

    /// Changes a folder.
    ///
    /// # Errors
    /// [`Error::FolderNotFound`], [`Error::ChatNotFound`], [`Error::NotReady`] as [`Self::create_folder`].
    #[tracing::instrument(name = "chat.update_folder", skip_all, err(level = "debug"))]
    pub async fn update_folder(
        &self,
        caller: UserId,
        folder_id: FolderId,
        changes: FolderChanges,
    ) -> Result<Folder, Error> {
        let folders = self.change_folders(caller, Change::Edit(folder_id, changes)).await?;
        folders.into_iter().find(|folder| folder.id == folder_id).ok_or(Error::FolderNotFound)
    }

    /// Forgets a folder. Its chats stay.
    ///
    /// # Errors
    /// [`Error::FolderNotFound`], [`Error::NotReady`] as [`Self::create_folder`].
    #[tracing::instrument(name = "chat.delete_folder", skip_all, err(level = "debug"))]
    pub async fn delete_folder(&self, caller: UserId, folder_id: FolderId) -> Result<(), Error> {
        self.change_folders(caller, Change::Remove(folder_id)).await.map(drop)
    }

    async fn change_folders(&self, caller: UserId, change: Change) -> Result<Vec<Folder>, Error> {
        let mut conn = self.pool.get().await?;
        let changed = conn.transaction::<_, Error, _>(async |tx| self.change_folders_within(tx, caller, &change).await);
        let folders = changed.await?;
        drop(conn);
        self.deliver_updates(saved_chat_of(caller)).await?;
        Ok(folders)
    }

    /// Changes of one person's folders take turns by the lock of their Saved Messages.
    async fn change_folders_within(
        &self,
        tx: &mut Connection,
        caller: UserId,
        change: &Change,
    ) -> Result<Vec<Folder>, Error> {
        let opened = self.open_saved(tx, &[caller]).await?;
        let before = store::folders_of(tx, caller).await?;
        let mut folders = before.clone();
        match change {
            Change::Add(folder) if folders.iter().any(|made| made.id == folder.id) => {}
            Change::Add(folder) => {
                if folders.len() >= FOLDERS_MAX {
                    return Err(Error::TooManyFolders);
                }
                check_chats(tx, caller, &folder.chat_ids).await?;
                folders.push(folder.clone());
            }
            Change::Edit(folder_id, changes) => {
                check_chats(tx, caller, changes.chat_ids.as_deref().unwrap_or_default()).await?;
                edit(&mut folders, *folder_id, changes.clone())?;
            }
            Change::Remove(folder_id) => {
                let place = place_of(&folders, *folder_id)?;
                folders.remove(place);
                store::delete_folder(tx, caller, *folder_id).await?;
            }
        }
        if folders != before {
            store::save_folders(tx, caller, &folders).await?;
            self.append_privately(tx, &opened, &outgoing::folders_changed(&folders)).await?;
        }
        Ok(folders)
    }
}

fn edit(folders: &mut Vec<Folder>, folder_id: FolderId, changes: FolderChanges) -> Result<(), Error> {
    let place = place_of(folders, folder_id)?;
    let mut folder = folders.remove(place);
    folder.title = changes.title.unwrap_or(folder.title);
    folder.chat_ids = changes.chat_ids.unwrap_or(folder.chat_ids);
    folders.insert(changes.position.unwrap_or(place).min(folders.len()), folder);
    Ok(())
}

fn place_of(folders: &[Folder], folder_id: FolderId) -> Result<usize, Error> {
    folders.iter().position(|folder| folder.id == folder_id).ok_or(Error::FolderNotFound)
}

/// A folder is of chats that its owner is in.
async fn check_chats(tx: &mut Connection, caller: UserId, chat_ids: &[ChatId]) -> Result<(), Error> {
    let theirs = store::chats_of_member(tx, caller, chat_ids).await?;
    let theirs: HashSet<ChatId> = theirs.into_iter().map(|chat| chat.chat.id).collect();
    if chat_ids.iter().all(|chat_id| theirs.contains(chat_id)) { Ok(()) } else { Err(Error::ChatNotFound) }
}
