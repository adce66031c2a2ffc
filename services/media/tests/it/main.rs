//! The media service over a real S3 server and a real database.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod attachments;
mod auth;
mod avatars;
mod begun;
mod chats;
mod clamd;
mod embedded;
mod expiry;
mod films;
mod fixtures;
mod jobs;
mod object_store;
mod outages;
mod parts;
mod pictures;
mod quotas;
mod s3;
mod s3_dialects;
mod s3_stub;
mod scans;
mod uploads;
mod world;
