//! The call machine as clients see it: replicated, on disk, recorded.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod auth;
mod calls;
mod connections;
mod contract;
mod endings;
mod group;
mod history;
mod leader;
mod logs;
mod measurements;
mod replica;
mod signals;
