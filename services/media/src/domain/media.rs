use godwit_kernel::{MediaId, UserId, limits};
use time::OffsetDateTime;

use super::{ContentType, Details, FileName, Kind, Object, Rejection, Scan, Violation};

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// An address was given out.
    Pending,
    /// The object is there and is being looked at.
    Processing,
    /// The object is there, is what was announced, and may be fetched.
    Ready,
    /// It was looked at and is not kept.
    Rejected(Rejection),
    /// Given up: the object is about to be removed, then the record.
    Expired,
}

/// Who may know of an upload and fetch it, besides its owner and the members of chats where it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Nobody.
    Owner,
    /// Who may see its owner's avatar: it is that.
    AvatarViewers,
}

/// The record of one upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Its id.
    pub id: MediaId,
    /// Who began it.
    pub owner_id: UserId,
    /// How far it has come.
    pub state: State,
    /// What it is to people.
    pub kind: Kind,
    /// As the owner named it.
    pub file_name: FileName,
    /// As announced; what the bytes are, once it is ready.
    pub content_type: ContentType,
    /// As announced; of what people get, once it is ready. 1 byte to 2 GiB.
    pub size_bytes: u64,
    /// The checksum of the bytes as announced, if it was.
    pub sha256: Option<[u8; 32]>,
    /// Of the multipart upload that brings its parts.
    pub upload_id: Option<String>,
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// When it is given up if it is still pending.
    pub expires_at: OffsetDateTime,
    /// Who else than the owner may fetch it.
    pub audience: Audience,
    /// Whether it was looked at for malware.
    pub scan: Scan,
    /// What was found in it.
    pub details: Details,
}

impl Media {
    /// Whether it is an upload of `user`.
    pub fn is_of(&self, user: UserId) -> bool {
        self.owner_id == user
    }

    /// Whether it was given up, also when the worker has not come to it yet.
    pub fn is_expired_at(&self, now: OffsetDateTime) -> bool {
        match self.state {
            State::Processing | State::Ready | State::Rejected(_) => false,
            State::Expired => true,
            State::Pending => self.expires_at <= now,
        }
    }

    /// Where its bytes are uploaded to.
    pub fn object_key(&self) -> String {
        Object::Upload.key(self.id)
    }

    /// Where people get its bytes from.
    pub fn served_key(&self) -> String {
        let served = if self.details.has_clean_copy { Object::CleanCopy } else { Object::Upload };
        served.key(self.id)
    }
}

/// The size of an object, if it is one.
///
/// # Errors
/// When it is 0 or over [`limits::MEDIA_BYTES`].
pub const fn parse_size(size_bytes: u64) -> Result<u64, Violation> {
    match size_bytes {
        0 => Err(Violation("must be at least 1")),
        size_bytes if size_bytes > limits::MEDIA_BYTES => Err(Violation("must be at most 2147483648 (2 GiB)")),
        size_bytes => Ok(size_bytes),
    }
}

/// A SHA-256 checksum, if it is one; none when the bytes are empty.
///
/// # Errors
/// When it has not 32 bytes.
pub fn parse_sha256(bytes: &[u8]) -> Result<Option<[u8; 32]>, Violation> {
    match bytes {
        [] => Ok(None),
        bytes => bytes.try_into().map(Some).map_err(|_| Violation("must have 32 bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_one_byte_to_two_gibibytes() {
        assert!(parse_size(0).is_err());
        assert_eq!(parse_size(1), Ok(1));
        assert_eq!(parse_size(2 << 30), Ok(2 << 30));
        assert!(parse_size((2 << 30) + 1).is_err());
    }

    #[test]
    fn a_checksum_has_32_bytes_or_is_absent() {
        assert_eq!(parse_sha256(&[]), Ok(None));
        assert_eq!(parse_sha256(&[7; 32]), Ok(Some([7; 32])));
        assert!(parse_sha256(&[7; 31]).is_err());
    }
}
