//! The chat service against real PostgreSQL, with the services beside it played by the test.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod blocks;
mod delivery;
mod direct_chats;
mod harness;
mod internal;
mod lists;
mod neighbours;
