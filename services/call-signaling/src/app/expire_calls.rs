use super::App;
use crate::Error;
use crate::domain::{Actor, Command, Event, Refusal};

impl App {
    /// Makes the calls missed that have rung long enough, and ends those that nobody hung up. For the leader; a call
    /// that is answered in this very moment stays answered, because the machine decides.
    ///
    /// # Errors
    /// When the group does not take the commands now.
    pub async fn expire_calls(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let due = self.node.peek(|machine| {
            let due = machine.calls().filter(|call| call.deadline().is_some_and(|deadline| deadline <= now));
            due.map(|call| call.id).collect::<Vec<_>>()
        });
        for call_id in due {
            let command = Command::Act { call_id, actor: Actor::System, event: Event::Timeout, at: now };
            let outcome = self.node.propose(command).await?;
            match self.announce(outcome).await {
                Ok(_) | Err(Error::Refused(Refusal::WrongState(_) | Refusal::NotFound | Refusal::NotDue)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
