//! The chat service against real PostgreSQL, with the services beside it played by the test.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod blocks;
mod channels;
mod delivery;
mod direct_chats;
mod directory;
mod groups;
mod harness;
mod idempotency;
mod internal;
mod invites;
mod join_requests;
mod limits;
mod lists;
mod matrix;
mod model;
mod neighbours;
mod settings;
