use godwit_kernel::{MediaId, UserId, limits};
use time::OffsetDateTime;

use super::{ContentType, FileName, Violation};

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// An address was given out.
    Pending,
    /// The object is there and is what was announced.
    Ready,
    /// Given up: the object is about to be removed, then the record.
    Expired,
}

/// Who may know of an upload and fetch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Its owner only, until messages carry attachments.
    Owner,
    /// Its owner, and who may see their avatar: it is that.
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
    /// As the owner named it.
    pub file_name: FileName,
    /// As announced, and verified once it is ready.
    pub content_type: ContentType,
    /// As announced, and verified once it is ready; 1 byte to 2 GiB.
    pub size_bytes: u64,
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// When it is given up if it is still pending.
    pub expires_at: OffsetDateTime,
    /// Who else than the owner may fetch it.
    pub audience: Audience,
}

impl Media {
    /// Whether it is an upload of `user`.
    pub fn is_of(&self, user: UserId) -> bool {
        self.owner_id == user
    }

    /// Whether it was given up, also when the worker has not come to it yet.
    pub fn is_expired_at(&self, now: OffsetDateTime) -> bool {
        match self.state {
            State::Ready => false,
            State::Expired => true,
            State::Pending => self.expires_at <= now,
        }
    }

    /// Where its bytes are in the bucket. The prefix spreads the objects over 256 folders.
    pub fn object_key(&self) -> String {
        let id = self.id.as_uuid();
        let [.., last] = *id.as_bytes();
        format!("{last:02x}/{id}")
    }
}

/// What one user may have in flight: uploads begun and neither completed nor removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub max_count: u32,
    /// How many bytes they may announce together.
    pub max_bytes: u64,
}

impl Quota {
    /// Whether one more upload of `size_bytes` fits beside `count` uploads of `bytes` together.
    pub fn admits(&self, count: u64, bytes: u64, size_bytes: u64) -> bool {
        count < u64::from(self.max_count) && bytes.saturating_add(size_bytes) <= self.max_bytes
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
    fn the_quota_bounds_count_and_bytes() {
        let quota = Quota { max_count: 2, max_bytes: 100 };
        assert!(quota.admits(0, 0, 100));
        assert!(quota.admits(1, 60, 40));
        assert!(!quota.admits(1, 60, 41));
        assert!(!quota.admits(2, 2, 1));
        assert!(!quota.admits(0, u64::MAX, 1));
    }
}
