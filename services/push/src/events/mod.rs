//! What comes from the stream.

mod incoming;

pub use incoming::{ChatUpdates, GROUP};
