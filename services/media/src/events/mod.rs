//! What the stream brings.

mod incoming;

pub use incoming::{ChatUpdates, chat_updates_group};
