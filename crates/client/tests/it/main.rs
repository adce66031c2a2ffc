//! The client against a small server of the tests' own, which can lose, double and reorder deliveries, lose acks,
//! refuse, and close with any code.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod account;
mod accounts;
mod rest;
mod sending;
mod server;
mod session;
mod updates;
mod wire;
