//! Search as members and strangers see it, over a real database and stream.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod builds;
mod changes;
mod chatter;
mod contract;
mod fake_chats;
mod fake_people;
mod finding;
mod indexing;
mod names;
mod questions;
mod rebuilding;
mod stream;
mod world;
