//! The message service against real PostgreSQL: every promise of the update log.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod append;
mod content;
mod deletion;
mod failures;
mod forward;
mod harness;
mod history;
mod index;
mod live;
mod members;
mod model;
mod permission;
mod previews;
mod reading;
mod remembered;
mod reports;
mod retention;
mod scheduled;
mod send;
mod send_together;
mod sync_account;
mod sync_chat;
