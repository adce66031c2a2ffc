//! Updates as they travel to live and to the stream.

pub mod outgoing;
