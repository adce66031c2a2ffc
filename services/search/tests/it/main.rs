//! Search as members and strangers see it, over a real database and stream.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod contract;
mod fake_chats;
mod indexing;
mod questions;
mod world;
