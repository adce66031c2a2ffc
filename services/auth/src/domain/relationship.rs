use godwit_kernel::UserId;
use time::OffsetDateTime;

use super::access::{Action, Refusal};

/// Two people, in one order whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    low: UserId,
    high: UserId,
}

impl Pair {
    /// The pair of two people; `None` when they are one.
    pub fn of(one: UserId, other: UserId) -> Option<Self> {
        (one != other).then(|| Self { low: one.min(other), high: one.max(other) })
    }

    /// The one with the lower id.
    pub const fn low(self) -> UserId {
        self.low
    }

    /// The one with the higher id.
    pub const fn high(self) -> UserId {
        self.high
    }

    /// Which of the two somebody is.
    pub fn side_of(self, user_id: UserId) -> Side {
        if user_id == self.low { Side::Low } else { Side::High }
    }

    /// The one who is not this one.
    pub fn other_than(self, user_id: UserId) -> UserId {
        if user_id == self.low { self.high } else { self.low }
    }
}

/// One of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// With the lower id.
    Low,
    /// With the higher id.
    High,
}

/// Who of a pair blocks the other, and since when; at least one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// The one with the lower id.
    pub low_at: Option<OffsetDateTime>,
    /// The one with the higher id.
    pub high_at: Option<OffsetDateTime>,
}

impl Blocks {
    /// Since when this side blocks the other.
    pub const fn by(&self, side: Side) -> Option<OffsetDateTime> {
        match side {
            Side::Low => self.low_at,
            Side::High => self.high_at,
        }
    }

    const fn with(self, side: Side, at: Option<OffsetDateTime>) -> Self {
        match side {
            Side::Low => Self { low_at: at, ..self },
            Side::High => Self { high_at: at, ..self },
        }
    }
}

/// What there is between two people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bond {
    /// Nothing.
    #[default]
    Nothing,
    /// One asked the other to be friends.
    Requested {
        /// Who asked.
        by: Side,
        /// When.
        at: OffsetDateTime,
    },
    /// They are friends.
    Friends {
        /// Since when.
        since: OffsetDateTime,
    },
    /// One blocks the other, or each the other.
    Blocked(Blocks),
}

/// What there is between two people, and what the chat service knows of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relationship {
    /// What there is.
    pub bond: Bond,
    /// Grows with each change of the blocks.
    pub block_version: i64,
    /// Of these, the one that the chat service was told last.
    pub told_block_version: i64,
}

/// What one of the two does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Asks to be friends.
    Add,
    /// Takes the other's request.
    Accept,
    /// Declines the other's request.
    Reject,
    /// Ends the friendship, or takes the own request back.
    Remove,
    /// Blocks the other.
    Block,
    /// Lifts the own block.
    Unblock,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Add, Self::Accept, Self::Reject, Self::Remove, Self::Block, Self::Unblock];

    /// What the access table calls it.
    pub const fn action(self) -> Action {
        match self {
            Self::Add => Action::AddFriend,
            Self::Accept => Action::AcceptFriend,
            Self::Reject => Action::RejectFriend,
            Self::Remove => Action::RemoveFriend,
            Self::Block => Action::BlockUser,
            Self::Unblock => Action::UnblockUser,
        }
    }

    /// As it is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Remove => "remove",
            Self::Block => "block",
            Self::Unblock => "unblock",
        }
    }
}

/// What a step changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was so already.
    Nothing,
    /// A request waits for its answer.
    RequestMade,
    /// A request is gone.
    RequestGone,
    /// They are friends now.
    FriendshipMade,
    /// They are friends no more.
    FriendshipEnded,
    /// The actor blocks the other now.
    BlockSet {
        /// What there was before.
        before: Bond,
    },
    /// The actor blocks the other no more.
    BlockLifted,
}

impl Relationship {
    /// Takes a step of one side.
    ///
    /// # Errors
    /// Why it cannot be taken; nothing changes then.
    pub fn apply(&mut self, actor: Side, step: Step, now: OffsetDateTime) -> Result<Change, Refusal> {
        let (bond, change) = match step {
            Step::Add => self.added(actor, now)?,
            Step::Accept => self.accepted(actor, now)?,
            Step::Reject => self.rejected(actor)?,
            Step::Remove => self.removed(actor),
            Step::Block => self.blocked(actor, now),
            Step::Unblock => self.unblocked(actor),
        };
        self.bond = bond;
        if matches!(change, Change::BlockSet { .. } | Change::BlockLifted) {
            self.block_version += 1;
        }
        Ok(change)
    }

    /// Whether one of the two blocks the other.
    pub const fn is_blocked(&self) -> bool {
        matches!(self.bond, Bond::Blocked(_))
    }

    /// Whether this side blocks the other.
    pub const fn is_blocked_by(&self, side: Side) -> bool {
        match self.bond {
            Bond::Blocked(blocks) => blocks.by(side).is_some(),
            Bond::Nothing | Bond::Requested { .. } | Bond::Friends { .. } => false,
        }
    }

    fn added(&self, actor: Side, now: OffsetDateTime) -> Result<(Bond, Change), Refusal> {
        match self.bond {
            Bond::Nothing => Ok((Bond::Requested { by: actor, at: now }, Change::RequestMade)),
            Bond::Requested { by, .. } if by != actor => Ok((Bond::Friends { since: now }, Change::FriendshipMade)),
            Bond::Requested { .. } | Bond::Friends { .. } => Ok((self.bond, Change::Nothing)),
            Bond::Blocked(_) => Err(Refusal::Blocked),
        }
    }

    fn accepted(&self, actor: Side, now: OffsetDateTime) -> Result<(Bond, Change), Refusal> {
        match self.bond {
            Bond::Requested { by, .. } if by != actor => Ok((Bond::Friends { since: now }, Change::FriendshipMade)),
            Bond::Friends { .. } => Ok((self.bond, Change::Nothing)),
            Bond::Nothing | Bond::Requested { .. } => Err(Refusal::FriendRequestNotFound),
            Bond::Blocked(_) => Err(Refusal::Blocked),
        }
    }

    fn rejected(&self, actor: Side) -> Result<(Bond, Change), Refusal> {
        match self.bond {
            Bond::Requested { by, .. } if by != actor => Ok((Bond::Nothing, Change::RequestGone)),
            _ => Err(Refusal::FriendRequestNotFound),
        }
    }

    fn removed(&self, actor: Side) -> (Bond, Change) {
        match self.bond {
            Bond::Friends { .. } => (Bond::Nothing, Change::FriendshipEnded),
            Bond::Requested { by, .. } if by == actor => (Bond::Nothing, Change::RequestGone),
            Bond::Nothing | Bond::Requested { .. } | Bond::Blocked(_) => (self.bond, Change::Nothing),
        }
    }

    fn blocked(&self, actor: Side, now: OffsetDateTime) -> (Bond, Change) {
        let blocks = match self.bond {
            Bond::Blocked(blocks) if blocks.by(actor).is_some() => return (self.bond, Change::Nothing),
            Bond::Blocked(blocks) => blocks,
            Bond::Nothing | Bond::Requested { .. } | Bond::Friends { .. } => Blocks::default(),
        };
        (Bond::Blocked(blocks.with(actor, Some(now))), Change::BlockSet { before: self.bond })
    }

    fn unblocked(&self, actor: Side) -> (Bond, Change) {
        match self.bond {
            Bond::Blocked(blocks) if blocks.by(actor).is_some() => {
                let left = blocks.with(actor, None);
                let bond = if left == Blocks::default() { Bond::Nothing } else { Bond::Blocked(left) };
                (bond, Change::BlockLifted)
            }
            bond => (bond, Change::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

    /// The same as plain flags, one for each thing that a person would say.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    struct Model {
        are_friends: bool,
        has_asked: [bool; 2],
        blocks: [bool; 2],
    }

    impl Model {
        fn take(&mut self, actor: usize, step: Step) -> Result<(), Refusal> {
            let other = 1 - actor;
            let is_blocked = self.blocks[0] || self.blocks[1];
            match step {
                Step::Add | Step::Accept if is_blocked => return Err(Refusal::Blocked),
                Step::Add if self.are_friends => {}
                Step::Add if self.has_asked[other] => self.befriend(),
                Step::Add => self.has_asked[actor] = true,
                Step::Accept if self.are_friends => {}
                Step::Accept | Step::Reject if !self.has_asked[other] => return Err(Refusal::FriendRequestNotFound),
                Step::Accept => self.befriend(),
                Step::Reject => self.has_asked[other] = false,
                Step::Remove => {
                    self.are_friends = false;
                    self.has_asked[actor] = false;
                }
                Step::Block => *self = Self { blocks: self.blocks, ..Self::default() }.blocking(actor),
                Step::Unblock => self.blocks[actor] = false,
            }
            Ok(())
        }

        fn befriend(&mut self) {
            *self = Self { are_friends: true, ..Self::default() };
        }

        fn blocking(mut self, actor: usize) -> Self {
            self.blocks[actor] = true;
            self
        }
    }

    fn flags(relationship: &Relationship) -> Model {
        let asked = |side| matches!(relationship.bond, Bond::Requested { by, .. } if by == side);
        Model {
            are_friends: matches!(relationship.bond, Bond::Friends { .. }),
            has_asked: [Side::Low, Side::High].map(asked),
            blocks: [Side::Low, Side::High].map(|side| relationship.is_blocked_by(side)),
        }
    }

    fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
        proptest::collection::vec((0_usize..2, proptest::sample::select(&Step::ALL[..])), 0..40)
    }

    proptest! {
        #[test]
        fn any_steps_lead_where_a_simple_model_says(steps in steps()) {
            let (mut relationship, mut model) = (Relationship::default(), Model::default());
            for (actor, step) in steps {
                let before = relationship;
                let side = [Side::Low, Side::High][actor];
                let change = relationship.apply(side, step, NOW);
                prop_assert_eq!(change.map(|_| ()), model.take(actor, step));
                prop_assert_eq!(flags(&relationship), model.clone());
                // Nothing is said to change that does not, nor the other way round.
                let is_change = !matches!(change, Ok(Change::Nothing) | Err(_));
                prop_assert_eq!(is_change, before.bond != relationship.bond);
                // Chat is told of each change of the blocks, and of nothing else.
                let blocks_changed = flags(&before).blocks != model.blocks;
                prop_assert_eq!(relationship.block_version - before.block_version, i64::from(blocks_changed));
            }
        }

        #[test]
        fn a_step_taken_twice_is_taken_once(steps in steps(), actor in 0_usize..2, step in proptest::sample::select(&Step::ALL[..])) {
            let mut relationship = Relationship::default();
            let side = |actor: usize| [Side::Low, Side::High][actor];
            for (actor, step) in steps {
                let _ = relationship.apply(side(actor), step, NOW);
            }
            if relationship.apply(side(actor), step, NOW).is_ok() {
                let after = relationship;
                let _ = relationship.apply(side(actor), step, NOW);
                prop_assert_eq!(relationship, after);
            }
        }

        #[test]
        fn a_pair_is_the_same_whoever_asks(one: u128, other: u128) {
            let [one, other] = [one, other].map(|id| UserId::from_uuid(uuid::Uuid::from_u128(id)));
            prop_assert_eq!(Pair::of(one, other), Pair::of(other, one));
            prop_assert_eq!(Pair::of(one, one), None);
        }
    }
}
