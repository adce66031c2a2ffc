use std::time::Instant;

use godwit_contract::auth::v1::AccessAction;
use godwit_kernel::{CallId, UserId};
use godwit_rpc::{Access, InvalidField};

use super::App;
use crate::Error;
use crate::domain::{Call, Command, Media, NewCall, Outcome, Party, Refusal};
use crate::store;

/// What a caller asks for.
#[derive(Clone, Copy, Debug)]
pub struct CallToMake {
    /// Chosen by the client.
    pub id: CallId,
    /// Who calls, from which device.
    pub caller: Party,
    /// Who is called.
    pub callee_id: UserId,
    /// Voice or video.
    pub media: Media,
}

impl App {
    /// Rings the callee. The same id again returns the same call, also when it is over meanwhile. Whoever calls the
    /// person that rings them answers that call, and gets it.
    ///
    /// # Errors
    /// When the two share no direct chat, the callee's privacy or a block forbids it, the caller is in another call, or the
    /// id names another call.
    pub async fn create_call(&self, asked: CallToMake) -> Result<Call, Error> {
        let CallToMake { id, caller, callee_id, media } = asked;
        let asked_at = Instant::now();
        if callee_id == caller.user_id {
            return Err(InvalidField::new("callee_id", "is yourself").into());
        }
        if let Some(call) = self.earlier(id).await? {
            let crossed = call.id != id && call.callee_id == caller.user_id && call.caller.user_id == callee_id;
            let is_own = call.id == id
                && call.caller.is_device_of(&caller)
                && call.callee_id == callee_id
                && call.media == media;
            return if crossed || is_own { Ok(call) } else { Err(Error::Refused(Refusal::IdReused)) };
        }
        self.check_access(caller.user_id, callee_id).await?;
        let chat_id = self.chats.direct_chat(caller.user_id, callee_id).await?;
        let chat_id = Some(chat_id.ok_or(Error::CalleeNotFound)?);
        let at = self.clock.now();
        let outcome = self.node.propose(Command::Create(NewCall { id, media, caller, callee_id, chat_id, at })).await?;
        // One that is answered at once was created by the other party.
        if matches!(&outcome, Outcome::Changed(call) if call.accepted_at.is_none()) {
            metrics::counter!("call_created_total").increment(1);
        }
        let call = self.announce(outcome).await?;
        metrics::histogram!("call_setup_seconds").record(asked_at.elapsed());
        Ok(call)
    }

    /// Asked when a call begins, and only then: a block does not end one that runs.
    async fn check_access(&self, caller: UserId, callee: UserId) -> Result<(), Error> {
        match self.access.check(AccessAction::Call, caller, callee).await? {
            Access::Allowed => Ok(()),
            Access::UserNotFound => Err(Error::CalleeNotFound),
            Access::Blocked => Err(Error::Blocked),
            Access::Private => Err(Error::Private),
        }
    }

    /// The call of an earlier request with this id. A call is recorded before the machine forgets it, so one that is
    /// in neither, looked for in this order, was in neither when the look began.
    async fn earlier(&self, id: CallId) -> Result<Option<Call>, Error> {
        let running = self.node.read(|machine| machine.call(id).cloned()).await?;
        match running {
            Some(call) => Ok(Some(call)),
            None => Ok(store::find(&mut *self.pool.get().await?, id).await?),
        }
    }
}
