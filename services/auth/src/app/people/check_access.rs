use godwit_kernel::{UserId, limits};
use godwit_rpc::InvalidField;

use super::super::App;
use crate::Error;
use crate::domain::Pair;
use crate::domain::access::{Action, Refusal, Relation, judge};

/// Who does something, to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessPair {
    /// Who.
    pub actor: UserId,
    /// To whom.
    pub target: UserId,
}

impl App {
    /// Whether people may do something to others as things are now: one answer a pair, in their order. Two statements,
    /// whatever their number.
    #[tracing::instrument(name = "auth.check_access", skip_all)]
    pub async fn check_access(&self, action: Action, asked: &[AccessPair]) -> Result<Vec<Result<(), Refusal>>, Error> {
        if asked.len() > limits::BATCH_IDS_MAX {
            return Err(InvalidField::new("pairs", "must be at most 200").into());
        }
        let ids: Vec<UserId> = asked.iter().flat_map(|pair| [pair.actor, pair.target]).collect();
        let pairs: Vec<Pair> = asked.iter().filter_map(|pair| Pair::of(pair.actor, pair.target)).collect();
        let (people, relationships) = self.store.people_and_relationships(&ids, &pairs).await?;
        let answer = |AccessPair { actor, target }: &AccessPair| {
            let is_there = people.get(actor).is_some_and(|person| !person.user.is_deleted);
            let person = people.get(target).filter(|_| is_there).ok_or(Refusal::UserNotFound)?;
            let pair = Pair::of(*actor, *target);
            let relationship = pair.and_then(|pair| relationships.get(&pair)).copied().unwrap_or_default();
            judge(action, Relation::of(*actor, person, &relationship), &person.privacy)
        };
        let answers: Vec<Result<(), Refusal>> = asked.iter().map(answer).collect();
        for answer in &answers {
            let outcome = answer.map_or_else(Refusal::reason, |()| "ok");
            metrics::counter!("godwit_auth_access_checks_total", "outcome" => outcome).increment(1);
        }
        Ok(answers)
    }
}
