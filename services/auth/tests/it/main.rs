//! The auth service against real PostgreSQL and a real mail server: every promise of its contract.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod accounts;
mod blocks;
mod codes;
mod deletion;
mod directory;
mod harness;
mod keys;
mod login;
mod logs;
mod mail;
mod matrix;
mod neighbours;
mod passwords;
mod people;
mod privacy;
mod profiles;
mod refresh;
mod register;
mod relationships;
mod security;
mod sessions;
mod support;
mod throttles;
mod timing;
mod two_factor;
mod upkeep;
mod usernames;
