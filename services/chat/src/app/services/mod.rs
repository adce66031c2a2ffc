//! What other services ask.

mod check_listeners;
mod get_direct_chat;
mod list_members;
mod open_saved_messages;
mod read_policy;
mod set_direct_block;

pub use list_members::Page;
