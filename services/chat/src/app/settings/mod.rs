//! What one person has set for their chats.

mod change_settings;
mod drafts;
mod folders;

pub use folders::FolderChanges;
