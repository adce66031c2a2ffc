//! Events that leave the service.

pub mod outgoing;
pub mod people;
