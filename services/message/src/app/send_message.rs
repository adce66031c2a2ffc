use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{InvalidField, parse_id};

use super::App;
use super::appenders::Pending;
use crate::domain::{
    Change, ClientMessageId, ContentHash, Entry, Message, MessageText, NewMessage, Outcome, Placed, Posting,
    PostingPolicy,
};
use crate::error::Error;
use crate::events::outgoing;

/// How often a policy that turned out to be stale is read again.
const POLICY_READS_MAX: u32 = 4;

/// What a client sends.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// Where to.
    pub chat_id: String,
    /// The sender's name for it.
    pub client_message_id: String,
    /// What it says.
    pub text: String,
}

/// A message that may be written as it is.
struct Draft {
    chat_id: ChatId,
    client_message_id: ClientMessageId,
    text: MessageText,
    content_hash: ContentHash,
}

/// How far a message of several has come.
enum Begun {
    /// It can never be written.
    Refused(Error),
    /// It is in the queue, with this policy.
    Queued(NewMessage, Draft, Pending),
    /// What its sender may do must be asked first.
    Waiting(Draft),
}

impl App {
    /// Appends a message to a chat. It is committed when this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::ChatNotFound`] for who is not a member; [`Error::PostingNotAllowed`];
    /// [`Error::Blocked`]; [`Error::ClientMessageIdReused`]; those of the appender.
    #[tracing::instrument(name = "message.send_message", skip_all, fields(chat.id, message.seq), err(level = "debug"))]
    pub async fn send_message(&self, caller: UserId, send: SendMessage) -> Result<Message, Error> {
        let draft = Draft::read(send)?;
        let span = tracing::Span::current();
        span.record("chat.id", tracing::field::display(draft.chat_id));
        let message = self.send_draft(caller, draft).await?;
        span.record("message.seq", message.seq.get());
        Ok(message)
    }

    /// Appends messages of one person in their order, each for itself: all that may go at once are in the queue before
    /// the first is waited for, so they share a commit. A message whose policy turns out to be stale goes again, and
    /// all after it do, for a version that a chat has left does not come back: so their order stays.
    #[tracing::instrument(name = "message.send_messages", skip_all, fields(messages = sends.len()))]
    pub async fn send_messages(&self, caller: UserId, sends: Vec<SendMessage>) -> Vec<Result<Message, Error>> {
        let mut begun = Vec::with_capacity(sends.len());
        for send in sends {
            begun.push(self.begin(caller, send).await);
        }
        let mut results = Vec::with_capacity(begun.len());
        for message in begun {
            results.push(self.finish(caller, message).await);
        }
        results
    }

    async fn begin(&self, caller: UserId, send: SendMessage) -> Begun {
        let draft = match Draft::read(send) {
            Ok(draft) => draft,
            Err(error) => return Begun::Refused(error),
        };
        match self.policies.get(draft.chat_id, caller).await {
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
            Begun::Waiting(draft) => self.send_draft(caller, draft).await,
            Begun::Queued(new, draft, pending) => match settle(pending.outcome().await?)? {
                Some(placed) => Ok(outgoing::message_of(draft.chat_id, &new, &placed)),
                None => {
                    self.policies.reload(draft.chat_id, caller).await?;
                    self.send_draft(caller, draft).await
                }
            },
        }
    }

    async fn send_draft(&self, caller: UserId, draft: Draft) -> Result<Message, Error> {
        let mut policy = self.policies.get(draft.chat_id, caller).await?;
        for _ in 0..POLICY_READS_MAX {
            if policy.posting != Posting::Allowed {
                // What a member may do can have grown since: the answer no must be as fresh as the answer yes.
                policy = self.policies.reload(draft.chat_id, caller).await?;
                check_posting(policy)?;
            }
            let new = draft.new_message(caller, policy);
            match settle(self.appenders.append(draft.entry(&new)).await?)? {
                Some(placed) => return Ok(outgoing::message_of(draft.chat_id, &new, &placed)),
                None => policy = self.policies.reload(draft.chat_id, caller).await?,
            }
        }
        Err(Error::MembersChanging)
    }
}

impl Draft {
    fn read(send: SendMessage) -> Result<Self, Error> {
        let chat_id = parse_id("chat_id", &send.chat_id)?;
        let client_message_id = ClientMessageId::parse(send.client_message_id)
            .map_err(|violation| InvalidField::new("client_message_id", violation.0))?;
        let text = MessageText::parse(send.text).map_err(|violation| InvalidField::new("text", violation.0))?;
        let content_hash = ContentHash::of(&text);
        Ok(Self { chat_id, client_message_id, text, content_hash })
    }

    fn new_message(&self, sender_id: UserId, policy: PostingPolicy) -> NewMessage {
        NewMessage {
            sender_id,
            client_message_id: self.client_message_id.clone(),
            text: self.text.clone(),
            content_hash: self.content_hash,
            policy_version: policy.version,
        }
    }

    fn entry(&self, new: &NewMessage) -> Entry {
        Entry { chat_id: self.chat_id, headers: outgoing::current_headers(), change: Change::Message(new.clone()) }
    }
}

/// Where the message stands; `None` when its policy was stale.
fn settle(outcome: Outcome) -> Result<Option<Placed>, Error> {
    match outcome {
        Outcome::Appended(placed) | Outcome::Repeated(placed) => Ok(Some(placed)),
        Outcome::Reused => Err(Error::ClientMessageIdReused),
        Outcome::NoLog => Err(Error::LogNotReady),
        Outcome::StalePolicy => Ok(None),
    }
}

fn check_posting(policy: PostingPolicy) -> Result<(), Error> {
    match policy.posting {
        Posting::Allowed => Ok(()),
        Posting::NotAllowed => Err(Error::PostingNotAllowed),
        Posting::Blocked => Err(Error::Blocked),
    }
}
