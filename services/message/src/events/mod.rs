//! Updates as they travel: [`outgoing`] to live and to the stream, [`link_previews`] from the stream to the pages behind
//! links.

pub mod link_previews;
pub mod outgoing;
