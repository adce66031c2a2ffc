//! What this service tells on live; it takes nothing from the stream.

pub mod outgoing;
