//! What this service tells others: live and by the stream.

pub(crate) mod incoming;
pub(crate) mod outgoing;
