//! Chats as their members and the other services see them, over a real database.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod direct_chats;
mod pending_updates;
mod world;
