use godwit_kernel::UserId;
use godwit_rpc::ServiceError as _;

use super::super::App;
use crate::Error;
use crate::domain::access::{Relation, judge};
use crate::domain::{Change, Pair, Privacy, Relationship, Side, Step};
use crate::events::people::Teller;
use crate::store::{Bound, RelationshipStep, StepOutcome};

impl App {
    /// Takes a step of the caller towards another person, and answers what is between them then and which side the
    /// caller is. When the step was to block or to unblock, the chat service knows of it when this returns; when it
    /// does not answer, the step stands all the same and a repeat tells it again.
    #[tracing::instrument(name = "auth.change_relationship", skip_all, fields(step = step.as_str()))]
    pub async fn change_relationship(
        &self,
        actor: UserId,
        target: UserId,
        step: Step,
    ) -> Result<(Relationship, Side), Error> {
        let result = self.try_change_relationship(actor, target, step).await;
        let outcome = result.as_ref().map_or_else(|error| error.reason(), |_| "ok");
        metrics::counter!("godwit_auth_relationship_steps_total", "step" => step.as_str(), "outcome" => outcome)
            .increment(1);
        result
    }

    async fn try_change_relationship(
        &self,
        actor: UserId,
        target: UserId,
        step: Step,
    ) -> Result<(Relationship, Side), Error> {
        let Some(pair) = Pair::of(actor, target) else {
            judge(step.action(), Relation::Itself, &Privacy::default())?;
            return Ok((Relationship::default(), Side::Low));
        };
        let at = self.clock.now();
        let teller = Teller { at, clock: &*self.clock, entropy: &*self.entropy };
        let events = |change: Change| teller.relationship_changed(actor, pair, change);
        let relationship = match self.store.take_step(RelationshipStep { actor, pair, step, at }, events).await? {
            StepOutcome::Taken(relationship) => relationship,
            StepOutcome::Refused(refusal) => return Err(refusal.into()),
            StepOutcome::Full(Bound::Friends) => return Err(Error::FriendsLimit),
            StepOutcome::Full(Bound::Requests) => return Err(Error::FriendRequestsLimit),
            StepOutcome::Full(Bound::Blocks) => return Err(Error::BlocksLimit),
        };
        if matches!(step, Step::Block | Step::Unblock) {
            self.tell_block(pair, &relationship).await?;
        }
        Ok((relationship, pair.side_of(actor)))
    }
}
