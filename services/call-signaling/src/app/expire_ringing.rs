use super::App;
use crate::Error;
use crate::domain::{Actor, Command, Event, Refusal, State};

impl App {
    /// Makes the calls missed that have rung long enough. For the leader; a call that is answered in this very moment
    /// stays answered, because the machine decides.
    ///
    /// # Errors
    /// When the group does not take the commands now.
    pub async fn expire_ringing(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let due = self.node.peek(|machine| {
            let ringing = machine.calls().filter(|call| call.state == State::Ringing);
            ringing.filter(|call| call.rings_until() <= now).map(|call| call.id).collect::<Vec<_>>()
        });
        for call_id in due {
            let command = Command::Act { call_id, actor: Actor::System, event: Event::RingTimeout, at: now };
            let outcome = self.node.propose(command).await?;
            match self.announce(outcome).await {
                Ok(_) | Err(Error::Refused(Refusal::WrongState(_) | Refusal::NotFound)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
