//! Real processes: how they start, serve, report and end.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod configuration;
mod fixture;
mod grpc;
mod lifecycle;
mod process;
mod telemetry;
