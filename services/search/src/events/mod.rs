//! What the stream brings.

pub mod incoming;
