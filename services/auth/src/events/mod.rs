//! Events that leave the service.

pub mod outgoing;
