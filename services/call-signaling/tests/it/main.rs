//! The call machine as clients see it: replicated, on disk, recorded.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod auth;
mod calls;
mod contract;
mod group;
mod replica;
mod signals;
