/// The number of a chat's member list; grows with every change of who may do what in the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MembershipVersion(i64);

impl MembershipVersion {
    /// Of a chat that begins.
    pub const FIRST: Self = Self(1);

    /// From the database; a version is never negative.
    pub const fn from_i64(number: i64) -> Self {
        Self(number)
    }

    /// The database's form.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// The wire form.
    pub const fn get(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0.cast_unsigned() }
    }
}

/// Whether a member may send messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// They may.
    Allowed,
    /// One of the two of a direct chat blocks the other.
    Blocked,
}

/// What a member may do in a chat now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostingPolicy {
    /// Whether the member may send messages.
    pub posting: Posting,
    /// The version of the member list that says so.
    pub version: MembershipVersion,
}
