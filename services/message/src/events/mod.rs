//! Updates as they travel to live and to the stream, and what the stream brings.

pub mod incoming;
pub mod outgoing;
