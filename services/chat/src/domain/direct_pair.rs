use godwit_kernel::UserId;

/// The two people of a direct chat, in one order whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DirectPair {
    least: UserId,
    greatest: UserId,
}

impl DirectPair {
    /// The pair of two people; `None` when they are one.
    pub fn of(one: UserId, other: UserId) -> Option<Self> {
        (one != other).then(|| Self { least: one.min(other), greatest: one.max(other) })
    }

    /// The one with the lower id.
    pub const fn least(self) -> UserId {
        self.least
    }

    /// The one with the higher id.
    pub const fn greatest(self) -> UserId {
        self.greatest
    }

    /// Both, the lower id first.
    pub const fn members(self) -> [UserId; 2] {
        [self.least, self.greatest]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn a_pair_is_the_same_whoever_asks(one: u128, other: u128) {
            let (one, other) = (UserId::from_uuid(Uuid::from_u128(one)), UserId::from_uuid(Uuid::from_u128(other)));
            prop_assert_eq!(DirectPair::of(one, other), DirectPair::of(other, one));
            prop_assert_eq!(DirectPair::of(one, one), None);
        }
    }
}
