use godwit_kernel::{ChatId, UserId};
use godwit_rpc::{InvalidField, parse_id};

use super::App;
use crate::domain::{
    Change, ClientMessageId, ContentHash, Entry, Message, MessageText, NewMessage, Outcome, Posting, PostingPolicy,
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

impl App {
    /// Appends a message to a chat. It is committed when this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::ChatNotFound`] for who is not a member; [`Error::PostingNotAllowed`];
    /// [`Error::Blocked`]; [`Error::ClientMessageIdReused`]; those of the appender.
    #[tracing::instrument(name = "message.send_message", skip_all, fields(chat.id, message.seq), err(level = "debug"))]
    pub async fn send_message(&self, caller: UserId, send: SendMessage) -> Result<Message, Error> {
        let chat_id: ChatId = parse_id("chat_id", &send.chat_id)?;
        let client_message_id = ClientMessageId::parse(send.client_message_id)
            .map_err(|violation| InvalidField::new("client_message_id", violation.0))?;
        let text = MessageText::parse(send.text).map_err(|violation| InvalidField::new("text", violation.0))?;
        let span = tracing::Span::current();
        span.record("chat.id", tracing::field::display(chat_id));

        let content_hash = ContentHash::of(&text);
        let mut policy = self.policies.get(chat_id, caller).await?;
        for _ in 0..POLICY_READS_MAX {
            if policy.posting != Posting::Allowed {
                // What a member may do can have grown since: the answer no must be as fresh as the answer yes.
                policy = self.policies.reload(chat_id, caller).await?;
                check_posting(policy)?;
            }
            let new = NewMessage {
                sender_id: caller,
                client_message_id: client_message_id.clone(),
                text: text.clone(),
                content_hash,
                policy_version: policy.version,
            };
            let change = Change::Message(new.clone());
            let entry = Entry { chat_id, headers: outgoing::current_headers(), change };
            match self.appenders.append(entry).await? {
                Outcome::Appended(placed) | Outcome::Repeated(placed) => {
                    span.record("message.seq", placed.seq.get());
                    return Ok(outgoing::message_of(chat_id, &new, &placed));
                }
                Outcome::Reused => return Err(Error::ClientMessageIdReused),
                Outcome::NoLog => return Err(Error::LogNotReady),
                Outcome::StalePolicy => policy = self.policies.reload(chat_id, caller).await?,
            }
        }
        Err(Error::MembersChanging)
    }
}

fn check_posting(policy: PostingPolicy) -> Result<(), Error> {
    match policy.posting {
        Posting::Allowed => Ok(()),
        Posting::NotAllowed => Err(Error::PostingNotAllowed),
        Posting::Blocked => Err(Error::Blocked),
    }
}
