//! The same calls over TCP and inside one process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod calls;
mod harness;
mod telemetry;
