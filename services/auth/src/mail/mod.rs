//! What mails say and how they leave: by SMTP, or for development into a folder.

mod letter;
mod outbound;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use time::OffsetDateTime;

use crate::domain::Email;

pub use letter::{Letter, LetterDevice};
pub use outbound::{Outbound, SendError};

/// Sends letters from one address.
pub struct Sender {
    outbound: Outbound,
    from: Mailbox,
}

/// One try to send a letter.
pub struct Dispatch<'a> {
    /// To whom.
    pub to: &'a Email,
    /// What it says.
    pub letter: &'a Letter,
    /// Unique for each try: a retried letter may say something else, so a receiver must not take it for a copy.
    pub message_id: String,
    /// For its date.
    pub now: OffsetDateTime,
}

impl Sender {
    /// Sends by `outbound` in the name of `from`.
    pub fn new(outbound: Outbound, from: Mailbox) -> Self {
        Self { outbound, from }
    }

    /// How letters leave.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// Sends one letter.
    ///
    /// # Errors
    /// When it has not left, and whether trying again can help.
    pub async fn send(&self, dispatch: &Dispatch<'_>) -> Result<(), SendError> {
        let to: Address = dispatch.to.as_str().parse().map_err(|error| SendError::Rejected(Box::new(error)))?;
        match &self.outbound {
            Outbound::Smtp(relay) => relay.send(self.message(dispatch, to)?).await,
            Outbound::Folder(folder) => folder.put(&self.from, dispatch).await,
        }
    }

    fn message(&self, dispatch: &Dispatch<'_>, to: Address) -> Result<Message, SendError> {
        let Dispatch { letter, message_id, now, .. } = dispatch;
        let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(letter.text());
        let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(letter.html());
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject())
            .message_id(Some(format!("<{message_id}@{}>", self.from.email.domain())))
            .date((*now).into())
            .multipart(MultiPart::alternative().singlepart(text).singlepart(html))
            .map_err(|error| SendError::Rejected(Box::new(error)))?;
        // RFC 3834: no out-of-office answers.
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(message)
    }
}
