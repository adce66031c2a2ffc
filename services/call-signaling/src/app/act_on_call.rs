use godwit_kernel::CallId;

use super::App;
use crate::Error;
use crate::domain::{Actor, Call, Command, Event, Machine, Outcome, Party, Refusal};
use crate::store;

impl App {
    /// Lets one device of a party cause an event. A repeated request finds the call as it wanted it, also when the
    /// call has gone to the history meanwhile.
    ///
    /// # Errors
    /// When there is no such call for this person, or the event is not allowed to them now.
    pub async fn act_on_call(&self, call_id: CallId, party: Party, event: Event) -> Result<Call, Error> {
        let command = Command::Act { call_id, actor: Actor::Party(party), event, at: self.clock.now() };
        let outcome = self.node.propose(command.clone()).await?;
        match self.announce(outcome).await {
            Err(Error::Refused(Refusal::NotFound)) => self.act_on_recorded(call_id, command).await,
            result => result,
        }
    }

    /// A call that left the machine is over, and stays as it is; the same rules say what the event is to it.
    async fn act_on_recorded(&self, call_id: CallId, command: Command) -> Result<Call, Error> {
        let recorded = store::find(&mut *self.pool.get().await?, call_id).await?;
        match Machine::from_calls(recorded.into_iter().collect()).apply(command) {
            Outcome::Changed(call) | Outcome::Unchanged(call) => Ok(call),
            Outcome::Refused(refusal) => Err(Error::Refused(refusal)),
            Outcome::Done => Err(Error::Refused(Refusal::NotFound)),
        }
    }
}
