use godwit_kernel::{ChatId, UserId};

use super::App;
use crate::domain::{Act, Action, Change, Entry, Outcome, PostingPolicy, Right};
use crate::error::Error;
use crate::events::outgoing;

/// How often a policy that turned out to be stale is read again, or a log that is not there is made.
pub(super) const POLICY_READS_MAX: u32 = 4;

impl App {
    /// Has done what a member does, if `plan` finds that they may, by the policy that holds when it is committed.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for who is not a member; those of `plan`, of the planner and of the appender.
    pub(super) async fn act(
        &self,
        caller: UserId,
        chat_id: ChatId,
        plan: impl Fn(&PostingPolicy) -> Result<Act, Error> + Send + Sync,
    ) -> Result<Outcome, Error> {
        let mut policy = self.policies.get(chat_id, caller).await?;
        for _ in 0..POLICY_READS_MAX {
            let act = match plan(&policy) {
                Ok(act) => act,
                // What a member may do can have grown since: the answer no must be as fresh as the answer yes.
                Err(_) => {
                    policy = self.policies.reload(chat_id, caller).await?;
                    plan(&policy)?
                }
            };
            let action = Action {
                actor_id: caller,
                policy_version: policy.version,
                may_be_absent: policy.allows_absent_participants(),
                act,
            };
            let entry = Entry { chat_id, headers: outgoing::current_headers(), change: Change::Action(action) };
            match self.appenders.append(entry).await? {
                Outcome::StalePolicy => policy = self.policies.reload(chat_id, caller).await?,
                Outcome::NoOwnLog => self.chats.open_saved_messages(caller).await.map_err(Error::Chats)?,
                Outcome::NoLog => return Err(Error::LogNotReady),
                Outcome::Refused(refusal) => return Err(refusal.into()),
                outcome => return Ok(outcome),
            }
        }
        Err(Error::MembersChanging)
    }
}

/// Whoever may not see the chat of a message may not see the message.
pub(super) fn hide_chat(error: Error) -> Error {
    match error {
        Error::ChatNotFound => Error::MessageNotFound,
        error => error,
    }
}

/// Goes on with a right, and without it no further.
pub(super) fn require(policy: &PostingPolicy, right: Right, refusal: Error) -> Result<(), Error> {
    if policy.rights.has(right) { Ok(()) } else { Err(refusal) }
}
