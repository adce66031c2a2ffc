//! The pool and the migrations against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod migrations;
mod pool;
mod tls;
