use godwit_kernel::CallId;

use super::App;
use crate::Error;
use crate::domain::{Actor, Call, Command, Event, Party, Refusal};
use crate::store;

impl App {
    /// Lets one device of a party cause an event. A repeated request finds the call as it wanted it, until the call
    /// has gone to the history.
    ///
    /// # Errors
    /// When there is no such call for this person, or the event is not allowed to them now.
    pub async fn act_on_call(&self, call_id: CallId, party: Party, event: Event) -> Result<Call, Error> {
        let command = Command::Act { call_id, actor: Actor::Party(party), event, at: self.clock.now() };
        let outcome = self.node.propose(command).await?;
        match self.announce(outcome).await {
            Err(Error::Refused(Refusal::NotFound)) => self.act_on_recorded(call_id, party).await,
            result => result,
        }
    }

    /// A call that left the machine is over, and stays as it is.
    async fn act_on_recorded(&self, call_id: CallId, party: Party) -> Result<Call, Error> {
        let recorded = store::find(&mut *self.pool.get().await?, call_id).await?;
        match recorded.filter(|call| call.role_of(party.user_id).is_some()) {
            Some(call) => Err(Error::Refused(Refusal::WrongState(call.state))),
            None => Err(Error::Refused(Refusal::NotFound)),
        }
    }
}
