use godwit_contract::v1 as pb;
use godwit_kernel::{MessageId, UserId};
use godwit_rpc::ServiceError as _;
use tonic::Code;

use super::App;
use super::act::POLICY_READS_MAX;
use super::appenders::Pending;
use super::compose::{Composed, Draft, SendCopy};
use crate::domain::{Message, NewMessage, Outcome, Placed, Posting, PostingPolicy};
use crate::error::Error;
use crate::events::outgoing;

/// What a client sends.
#[derive(Clone, Default)]
pub struct SendMessage {
    /// Where to.
    pub chat_id: String,
    /// The sender's name for it.
    pub client_message_id: String,
    /// What it says.
    pub text: String,
    /// The parts of the text with a meaning.
    pub entities: Vec<pb::MessageEntity>,
    /// Finished uploads of the sender.
    pub media_ids: Vec<String>,
    /// A message of the same chat; empty for none.
    pub reply_to_message_id: String,
    /// Recipients are not alerted.
    pub is_silent: bool,
}

/// How far a message of several has come.
enum Begun {
    /// It is not written by this call.
    Refused(Error),
    /// It was before.
    Sent(Box<Message>),
    /// It is in the queue, with this policy.
    Queued(NewMessage, Draft, Pending),
    /// What its sender may do must be asked first.
    Waiting(Draft),
}

/// Where a message stands.
enum Settled {
    /// It was appended now.
    Appended(Placed),
    /// It had been before.
    Repeated(Placed),
    /// Its policy was stale.
    Stale,
}

impl App {
    /// Appends a message to a chat. It is committed when this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::ChatNotFound`] for who is not a member; [`Error::PostingNotAllowed`];
    /// [`Error::Blocked`]; [`Error::SlowMode`]; [`Error::ReplyNotFound`]; [`Error::AttachmentNotFound`];
    /// [`Error::ClientMessageIdReused`]; those of the appender.
    #[tracing::instrument(name = "message.send_message", skip_all, fields(chat.id, message.seq), err(level = "debug"))]
    pub async fn send_message(&self, caller: UserId, send: SendMessage) -> Result<Message, Error> {
        let span = tracing::Span::current();
        let message = match self.compose(caller, send).await? {
            Composed::Draft(draft) => {
                span.record("chat.id", tracing::field::display(draft.named.chat_id));
                self.send_draft(caller, draft).await?
            }
            Composed::Sent(message) => *message,
        };
        span.record("message.seq", message.seq.get());
        Ok(message)
    }

    /// Appends a copy of a message that was made before, as [`Self::send_message`] does.
    ///
    /// # Errors
    /// As there.
    pub async fn send_copy(&self, caller: UserId, copy: SendCopy) -> Result<Message, Error> {
        self.send_draft(caller, Draft::of_copy(copy)).await
    }

    /// Appends messages of one person in their order, each for itself: all that may go at once are in the queue before
    /// the first is waited for, so they share a commit. A message whose policy turns out to be stale goes again, and
    /// all after it do, for a version that a chat has left does not come back: so their order stays. Behind one that is refused
    /// for now none is begun.
    #[tracing::instrument(name = "message.send_messages", skip_all, fields(messages = sends.len()))]
    pub async fn send_messages(&self, caller: UserId, sends: Vec<SendMessage>) -> Vec<Result<Message, Error>> {
        let mut begun = Vec::with_capacity(sends.len());
        for send in sends {
            let is_held = matches!(begun.last(), Some(Begun::Refused(error)) if error.code() == Code::Unavailable);
            begun.push(if is_held { Begun::Refused(Error::Overloaded) } else { self.begin(caller, send).await });
        }
        let mut results = Vec::with_capacity(begun.len());
        for message in begun {
            results.push(self.finish(caller, message).await);
        }
        results
    }

    async fn begin(&self, caller: UserId, send: SendMessage) -> Begun {
        let draft = match self.compose(caller, send).await {
            Ok(Composed::Draft(draft)) => draft,
            Ok(Composed::Sent(message)) => return Begun::Sent(message),
            Err(error) => return Begun::Refused(error),
        };
        match self.policies.get(draft.named.chat_id, caller).await {
            Ok(policy) if policy.posting == Posting::Allowed => {
                let new = draft.new_message(caller, policy);
                match self.appenders.enqueue(draft.entry(&new)) {
                    Ok(pending) => Begun::Queued(new, draft, pending),
                    Err(error) => Begun::Refused(error),
                }
            }
            Ok(_) => Begun::Waiting(draft),
            Err(error) => Begun::Refused(error),
        }
    }

    async fn finish(&self, caller: UserId, begun: Begun) -> Result<Message, Error> {
        match begun {
            Begun::Refused(error) => Err(error),
            Begun::Sent(message) => Ok(*message),
            Begun::Waiting(draft) => self.send_draft(caller, draft).await,
            Begun::Queued(new, draft, pending) => match settle(pending.outcome().await?) {
                Ok(Settled::Appended(placed)) => Ok(outgoing::message_of(draft.named.chat_id, &new, &placed)),
                Ok(Settled::Repeated(placed)) => self.first_result(&draft, &new, &placed).await,
                Ok(Settled::Stale) => {
                    self.policies.reload(draft.named.chat_id, caller).await?;
                    self.send_draft(caller, draft).await
                }
                Err(error) => self.or_sent_before(caller, &draft.named, error).await,
            },
        }
    }

    async fn send_draft(&self, caller: UserId, draft: Draft) -> Result<Message, Error> {
        match self.try_to_send(caller, &draft).await {
            Err(error) => self.or_sent_before(caller, &draft.named, error).await,
            sent => sent,
        }
    }

    async fn try_to_send(&self, caller: UserId, draft: &Draft) -> Result<Message, Error> {
        let chat_id = draft.named.chat_id;
        let mut policy = self.policies.get(chat_id, caller).await?;
        for _ in 0..POLICY_READS_MAX {
            if policy.posting != Posting::Allowed {
                // What a member may do can have grown since: the answer no must be as fresh as the answer yes.
                policy = self.policies.reload(chat_id, caller).await?;
                check_posting(policy)?;
            }
            let new = draft.new_message(caller, policy);
            match settle(self.appenders.append(draft.entry(&new)).await?) {
                Ok(Settled::Appended(placed)) => return Ok(outgoing::message_of(chat_id, &new, &placed)),
                Ok(Settled::Repeated(placed)) => return self.first_result(draft, &new, &placed).await,
                Ok(Settled::Stale) => policy = self.policies.reload(chat_id, caller).await?,
                // The pause can have been shortened since.
                Err(Error::SlowMode { retry_after }) => {
                    let before = policy;
                    policy = self.policies.reload(chat_id, caller).await?;
                    if policy.pause_secs() >= before.pause_secs() {
                        return Err(Error::SlowMode { retry_after });
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::MembersChanging)
    }

    /// What was sent first under the same id. A plain text is known; what was looked up for others is read again.
    async fn first_result(&self, draft: &Draft, new: &NewMessage, placed: &Placed) -> Result<Message, Error> {
        let sent = outgoing::message_of(draft.named.chat_id, new, placed);
        if draft.is_plain() {
            return Ok(sent);
        }
        let mut conn = self.pool.get().await?;
        let id = MessageId { chat_id: draft.named.chat_id, seq: placed.seq };
        let found = crate::store::messages_by_id(&mut conn, &[id]).await?;
        Ok(found.into_iter().next().unwrap_or_else(|| sent.erased()))
    }
}

/// Where the message stands.
fn settle(outcome: Outcome) -> Result<Settled, Error> {
    match outcome {
        Outcome::Appended(placed) => Ok(Settled::Appended(placed)),
        Outcome::Repeated(placed) => Ok(Settled::Repeated(placed)),
        Outcome::StalePolicy => Ok(Settled::Stale),
        Outcome::Reused => Err(Error::ClientMessageIdReused),
        Outcome::Refused(refusal) => Err(refusal.into()),
        // The others are of other entries.
        Outcome::NoLog | Outcome::NoOwnLog | Outcome::Unchanged | Outcome::Edited(_) | Outcome::Advanced(_) => {
            Err(Error::LogNotReady)
        }
    }
}

fn check_posting(policy: PostingPolicy) -> Result<(), Error> {
    match policy.posting {
        Posting::Allowed => Ok(()),
        Posting::NotAllowed => Err(Error::PostingNotAllowed),
        Posting::Blocked => Err(Error::Blocked),
    }
}
