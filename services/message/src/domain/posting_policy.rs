/// The number of a chat's member list; grows with every change of who may do what in the chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MembershipVersion(i64);

impl MembershipVersion {
    /// The version with this number, or `None` when it does not fit the database's signed 64 bits.
    pub fn new(number: u64) -> Option<Self> {
        i64::try_from(number).ok().map(Self)
    }

    /// From the database.
    pub const fn from_i64(number: i64) -> Self {
        Self(number)
    }

    /// The database's form.
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

/// Whether a member may send messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// They may.
    Allowed,
    /// They may read only.
    NotAllowed,
    /// One of the two of a direct chat blocks the other.
    Blocked,
}

/// What a member may do in a chat, as of a version of its member list. Who is not a member has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostingPolicy {
    /// Whether the member may send messages.
    pub posting: Posting,
    /// The version that says so.
    pub version: MembershipVersion,
}

impl PostingPolicy {
    /// Whether it may still be relied on, given the version of the chat's log. A policy that is ahead of the log is
    /// of a change that is committed and about to be appended.
    pub fn is_fresh(&self, log: MembershipVersion) -> bool {
        self.version >= log
    }
}
