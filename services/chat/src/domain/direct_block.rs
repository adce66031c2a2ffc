use super::DirectPair;

/// Whether one of two people blocks the other, as auth tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectBlock {
    /// The two.
    pub pair: DirectPair,
    /// Whether one blocks the other.
    pub state: BlockState,
    /// Auth's number of the change between the two.
    pub version: BlockVersion,
}

/// Whether there is a block between two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockState {
    /// One blocks the other, or both do.
    Blocked,
    /// Neither does.
    Open,
}

/// The number of a change of the blocks between two people; grows with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockVersion(i64);

impl BlockVersion {
    /// The version with this number, or `None` when it does not fit the database's signed 64 bits.
    pub fn new(number: u64) -> Option<Self> {
        i64::try_from(number).ok().map(Self)
    }

    /// The database's form.
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}
