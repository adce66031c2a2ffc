use super::{Right, Standing};

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

    /// After a change that takes a right away.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The wire form.
    pub const fn get(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0.cast_unsigned() }
    }
}

/// What a member may do in a chat now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostingPolicy {
    /// What is decisive for the member's rights.
    pub standing: Standing,
    /// The version of the member list that says so.
    pub version: MembershipVersion,
    /// The chat's pause between two messages of a member.
    pub slow_mode_secs: u32,
    /// How many are in the chat.
    pub member_count: u32,
    /// Anybody can find the chat.
    pub is_public: bool,
}

impl PostingPolicy {
    /// The pause between two messages of this member, in seconds; 0 for none.
    pub fn pause_secs(&self) -> u32 {
        if self.standing.allows(Right::SkipSlowMode) { 0 } else { self.slow_mode_secs }
    }
}
