//! Godwit as its clients see it: real processes, real servers, bytes on the wire.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

mod accounts;
mod analytics;
mod binaries;
mod browser;
mod calls;
mod chaos;
mod convergence;
mod crash;
mod delivery;
mod files_and_mails;
mod groups;
mod hostile;
mod load;
mod media;
mod messages;
mod outage;
mod path;
mod people;
mod phones;
mod push;
mod restarts;
mod resumption;
mod sdk;
mod sdk_calls;
mod search;
mod secrets;
mod slices;
