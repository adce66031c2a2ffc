use super::access::{Action, Relation, judge};
use super::{Bio, Privacy, Relationship, User};

/// A person, with what decides who sees what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// All that can be seen.
    pub user: User,
    /// Who may see it.
    pub privacy: Privacy,
}

impl Person {
    /// What somebody in this relation sees.
    pub fn seen_as(&self, relation: Relation) -> User {
        let mut user = self.user.clone();
        if judge(Action::SeeAvatar, relation, &self.privacy).is_err() {
            user.avatar_id = None;
        }
        if judge(Action::SeeBio, relation, &self.privacy).is_err() {
            user.bio = Bio::default();
        }
        user
    }
}

/// A person as somebody sees them, and what there is between the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// The person.
    pub person: Person,
    /// Of the one who looks and the person.
    pub relationship: Relationship,
}
