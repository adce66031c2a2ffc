//! Chats as a whole.

mod avatar;
mod create_chat;
mod create_direct_chat;
mod delete_chat;
mod get_chat;
mod get_saved_messages;
mod list_chats;
mod update_chat;
mod view;

pub use create_chat::{ChatToMake, MadeChat};
pub use list_chats::{ChatsOf, ChatsPage};
pub use view::ChatView;
