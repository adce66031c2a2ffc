//! The stream's conformance suite, run against both adapters on real servers, and what only one of them can show.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod conformance;
mod group;
mod kafka;
mod outbox;
mod postgres;
mod streams;
