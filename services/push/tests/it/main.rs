//! The push service against real PostgreSQL, with a real HTTP server as the push service (RFC 8030).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod browser;
mod deletion;
mod deliveries;
mod failures;
mod harness;
mod peers;
mod subscriptions;
