//! What the stream brings.

pub mod incoming;
pub mod people;
