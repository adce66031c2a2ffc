//! What runs without being asked: the repetition of appends, and the end of chats that are gone.

mod deliver_updates;
mod empty_chats;

pub use deliver_updates::deliver_updates;
pub use empty_chats::empty_chats;
