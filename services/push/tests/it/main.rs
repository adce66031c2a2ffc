//! The push service against real PostgreSQL, with a real HTTP server as the push service (RFC 8030).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod actions;
mod answers;
mod apple;
mod badge;
mod browser;
mod calls;
mod calls_beyond_apple;
mod cues;
mod deletion;
mod deliveries;
mod failures;
mod google;
mod harness;
mod large_channel;
mod ledger;
mod measurements;
mod meters;
mod peers;
mod phone;
mod recipients;
mod settings;
mod stage;
mod subscriptions;
mod throughput;
