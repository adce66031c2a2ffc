//! The binary as an operator uses it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod call_members;
mod command;
mod doctor;
mod migrate;
mod run;
