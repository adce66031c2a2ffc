//! The auth service against real PostgreSQL and a real mail server: every promise of its contract.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod accounts;
mod codes;
mod harness;
mod keys;
mod login;
mod logs;
mod mail;
mod refresh;
mod register;
mod upkeep;
