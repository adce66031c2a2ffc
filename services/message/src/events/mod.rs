//! Updates as they are stored and as they travel: [`outgoing`] to live and to the stream, [`incoming`] from the
//! stream into the sync log, [`link_previews`] from the stream to the pages behind links.

pub mod incoming;
pub mod link_previews;
pub mod outgoing;
