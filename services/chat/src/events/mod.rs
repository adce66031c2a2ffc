//! Updates and live payloads as they leave.

pub mod outgoing;
