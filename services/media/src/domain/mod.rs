//! What an upload is and what may be in it. Pure.

mod content_type;
mod disposition;
mod file_name;
mod job;
mod kind;
mod media;
mod message_media;
mod object;
mod parts;
mod quota;
mod verdict;

pub use content_type::ContentType;
pub use disposition::content_disposition;
pub use file_name::FileName;
pub use job::Job;
pub use kind::Kind;
pub use media::{Audience, Media, State, parse_sha256, parse_size};
pub use message_media::{Carrier, MessageMedia, PICTURE_SEQ};
pub use object::{Object, ThumbnailSize};
pub use parts::{PART_BYTES, part_count, part_size};
pub use quota::{Quota, Shortage, Use};
pub use verdict::{Accepted, Details, Rejection, Scan, Verdict};

use std::time::Duration;

/// How long a presigned address works.
pub const ADDRESS_TTL: Duration = Duration::from_secs(15 * 60);
/// A file name.
pub const FILE_NAME_BYTES: usize = 255;
/// A content type with its parameters.
pub const CONTENT_TYPE_BYTES: usize = 127;

/// The text breaks a rule; the message says which, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub &'static str);
