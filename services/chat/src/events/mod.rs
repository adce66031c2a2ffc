//! Updates and live payloads as they leave, and what the stream brings.

pub mod encode;
pub mod incoming;
pub mod outgoing;
