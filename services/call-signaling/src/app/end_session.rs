use godwit_kernel::{SessionId, UserId};

use super::App;
use crate::Error;
use crate::domain::{Actor, Command, Event, Refusal};

impl App {
    /// Hangs up for a login that is over: its device takes no part in a call any more. A call that merely rings that
    /// person goes on, for other devices ring too.
    ///
    /// # Errors
    /// When the group does not take the command now.
    pub async fn end_session(&self, user_id: UserId, session_id: SessionId) -> Result<(), Error> {
        let call = self.node.read(|machine| machine.call_of(user_id).cloned()).await?;
        let Some(call) = call.filter(|call| call.has_session(session_id)) else { return Ok(()) };
        let at = self.clock.now();
        let command = Command::Act { call_id: call.id, actor: Actor::System, event: Event::SessionEnded, at };
        match self.announce(self.node.propose(command).await?).await {
            // It was over by itself meanwhile.
            Ok(_) | Err(Error::Refused(Refusal::NotFound | Refusal::WrongState(_))) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
