//! What an upload is and what may be in it. Pure.

mod content_type;
mod disposition;
mod file_name;
mod media;

pub use content_type::ContentType;
pub use disposition::content_disposition;
pub use file_name::FileName;
pub use media::{Audience, Media, Quota, State, parse_size};

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
