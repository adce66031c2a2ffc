//! What both adapters promise, and what only Redis can show.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[macro_use]
mod conformance;

mod cluster;
mod losses;
mod memory;
mod redis;
mod server;
mod support;
