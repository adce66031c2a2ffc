//! Updates as they are stored and as they travel: [`outgoing`] to live and to the stream, [`incoming`] from the
//! stream into the sync log.

pub mod incoming;
pub mod outgoing;
