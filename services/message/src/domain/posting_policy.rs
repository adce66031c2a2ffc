/// The number of a chat's member list; grows with every change that takes a right away.
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

/// What kind of chat it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKind {
    /// Two people.
    Direct,
    /// One person's own.
    Saved,
    /// Members who all may write.
    Group,
    /// Subscribers who read.
    Channel,
}

/// What this service asks a right for; reading is every member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// React to messages.
    React,
    /// Pin messages.
    Pin,
    /// Delete messages of others for everyone.
    DeleteAny,
    /// See who has read and received what.
    SeeReceipts,
    /// Not held back by slow mode.
    SkipSlowMode,
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// The set with one right more.
    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Self(self.0 | 1 << right as u8)
    }

    /// Whether it has a right.
    pub const fn has(self, right: Right) -> bool {
        self.0 & 1 << right as u8 != 0
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<T: IntoIterator<Item = Right>>(rights: T) -> Self {
        rights.into_iter().fold(Self::default(), Self::with)
    }
}

/// What a member may do in a chat, as of a version of its member list. Who is not a member has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostingPolicy {
    /// Whether the member may send messages.
    pub posting: Posting,
    /// The version that says so.
    pub version: MembershipVersion,
    /// What kind of chat it is.
    pub kind: ChatKind,
    /// What else they may do.
    pub rights: Rights,
    /// The pause between two messages of theirs; 0 for none.
    pub slow_mode_secs: u32,
    /// So many members, about.
    pub member_count: u32,
    /// Anybody can find the chat.
    pub is_public: bool,
}

impl PostingPolicy {
    /// Whether it may still be relied on, given the version of the chat's log. A policy that is ahead of the log is
    /// of a change that is committed and about to be appended.
    pub fn is_fresh(&self, log: MembershipVersion) -> bool {
        self.version >= log
    }

    /// The pause that holds for this member.
    pub const fn pause_secs(&self) -> u32 {
        if self.rights.has(Right::SkipSlowMode) { 0 } else { self.slow_mode_secs }
    }

    /// Whether members may stand in the chat without a row of their own: those of direct chats from before there were
    /// any.
    pub const fn allows_absent_participants(&self) -> bool {
        matches!(self.kind, ChatKind::Direct | ChatKind::Saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let rights: Rights = [Right::Pin, Right::SkipSlowMode].into_iter().collect();
        assert!(rights.has(Right::Pin) && rights.has(Right::SkipSlowMode));
        assert!(!rights.has(Right::React) && !rights.has(Right::DeleteAny) && !rights.has(Right::SeeReceipts));
    }
}
