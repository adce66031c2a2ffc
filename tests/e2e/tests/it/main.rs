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
mod binaries;
mod crash;
mod delivery;
mod hostile;
mod load;
mod outage;
mod path;
mod push;
mod sdk;
mod secrets;
mod slices;
