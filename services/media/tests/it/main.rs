//! The media service over a real S3 server and a real database.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attachments;
mod auth;
mod avatars;
mod embedded;
mod expiry;
mod object_store;
mod uploads;
mod world;
