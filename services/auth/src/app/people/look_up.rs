use godwit_kernel::{UserId, limits};
use godwit_rpc::InvalidField;

use super::super::App;
use crate::Error;
use crate::domain::access::{Action, Refusal, Relation, judge};
use crate::domain::{Acquaintance, Pair, Privacy, Relationship, Side, User, Username};
use crate::store::OwnAccount;

/// A user as somebody sees them.
#[derive(Clone, Debug)]
pub struct UserView {
    /// What may be seen.
    pub user: User,
    /// What there is between the two.
    pub relationship: Relationship,
    /// Which of the two looks.
    pub side: Side,
}

impl App {
    /// The caller's account.
    #[tracing::instrument(name = "auth.get_me", skip_all)]
    pub async fn get_me(&self, id: UserId) -> Result<OwnAccount, Error> {
        Ok(self.store.own_account(id).await?.ok_or(Refusal::UserNotFound)?)
    }

    /// The caller's privacy.
    #[tracing::instrument(name = "auth.get_privacy", skip_all)]
    pub async fn get_privacy(&self, id: UserId) -> Result<Privacy, Error> {
        let people = self.store.people(&[id]).await?;
        let person = people.into_iter().find(|person| !person.user.is_deleted).ok_or(Refusal::UserNotFound)?;
        Ok(person.privacy)
    }

    /// A user by id.
    #[tracing::instrument(name = "auth.get_user", skip_all)]
    pub async fn get_user(&self, caller: UserId, id: UserId) -> Result<UserView, Error> {
        let found = self.store.acquaintance(caller, id).await?.ok_or(Refusal::UserNotFound)?;
        view(Action::GetUser, caller, &found)
    }

    /// A user by name, in any case. What cannot be a name is nobody's.
    #[tracing::instrument(name = "auth.get_user_by_username", skip_all)]
    pub async fn get_user_by_username(&self, caller: UserId, name: &str) -> Result<UserView, Error> {
        let name = Username::parse(name).map_err(|_| Refusal::UserNotFound)?;
        let found = self.store.acquaintance_by_username(caller, &name).await?.ok_or(Refusal::UserNotFound)?;
        view(Action::GetUserByUsername, caller, &found)
    }

    /// The users with these ids as somebody sees them, or all of them for a service that hides by itself. Unknown ones
    /// are absent; of deleted ones there is the mark.
    #[tracing::instrument(name = "auth.get_users", skip_all)]
    pub async fn get_users(&self, ids: &[UserId], viewer: Option<UserId>) -> Result<Vec<User>, Error> {
        if ids.len() > limits::BATCH_IDS_MAX {
            return Err(InvalidField::new("user_ids", "must be at most 200").into());
        }
        let Some(viewer) = viewer else {
            let people = self.store.people(ids).await?;
            return Ok(people.into_iter().map(|person| person.user).collect());
        };
        let pairs: Vec<Pair> = ids.iter().filter_map(|id| Pair::of(viewer, *id)).collect();
        let (people, relationships) = self.store.people_and_relationships(ids, &pairs).await?;
        let mut users: Vec<User> = people
            .into_values()
            .map(|person| {
                let pair = Pair::of(viewer, person.user.id);
                let relationship = pair.and_then(|pair| relationships.get(&pair)).copied().unwrap_or_default();
                person.seen_as(Relation::of(viewer, &person, &relationship))
            })
            .collect();
        users.sort_unstable_by_key(|user| user.id);
        Ok(users)
    }
}

fn view(action: Action, caller: UserId, found: &Acquaintance) -> Result<UserView, Error> {
    let Acquaintance { person, relationship } = found;
    let relation = Relation::of(caller, person, relationship);
    judge(action, relation, &person.privacy)?;
    let side = Pair::of(caller, person.user.id).map_or(Side::Low, |pair| pair.side_of(caller));
    Ok(UserView { user: person.seen_as(relation), relationship: *relationship, side })
}
