use godwit_contract::v1 as pb;
use godwit_kernel::{MessageId, UserId};
use godwit_rpc::parse_id;

use super::App;
use super::act::hide_chat;
use super::compose::{Annotated, invalid, read_entities};
use crate::domain::{Act, Message, MessageText, NewEdit, Outcome, Posting};
use crate::error::Error;

/// What a client says a message says from now on.
#[derive(Clone, Default)]
pub struct EditMessage {
    /// Which message.
    pub message_id: String,
    /// What it says; may be empty when it has attachments.
    pub text: String,
    /// The parts of the text with a meaning.
    pub entities: Vec<pb::MessageEntity>,
}

impl App {
    /// Changes what a message of the caller says. With the same content it stays as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::MessageNotFound`]; [`Error::EditNotAllowed`]; [`Error::ForwardNotEditable`];
    /// [`Error::EditWindowOver`]; [`Error::TooManyEdits`]; [`Error::Blocked`] and [`Error::PostingNotAllowed`] for who may
    /// not post any more; those of the appender.
    #[tracing::instrument(name = "message.edit_message", skip_all, fields(message.id = %edit.message_id), err(level = "debug"))]
    pub async fn edit_message(&self, caller: UserId, edit: EditMessage) -> Result<Message, Error> {
        let EditMessage { message_id, text, entities } = edit;
        let id: MessageId = parse_id("message_id", &message_id)?;
        let has_attachments = text.trim().is_empty() && self.has_attachments(caller, id).await?;
        let parse = if has_attachments { MessageText::parse_caption } else { MessageText::parse };
        let text = parse(text).map_err(|violation| invalid("text", violation))?;
        let entities = read_entities(&text, &entities)?;
        self.policies.get(id.chat_id, caller).await.map_err(hide_chat)?;
        let Annotated { entities, mentions } = self.annotate(caller, id.chat_id, &text, entities).await?;
        let edit = NewEdit { seq: id.seq, text, entities, mentions };
        let outcome = self
            .act(caller, id.chat_id, |policy| match policy.posting {
                Posting::Allowed => Ok(Act::Edit(edit.clone())),
                Posting::NotAllowed => Err(Error::PostingNotAllowed),
                Posting::Blocked => Err(Error::Blocked),
            })
            .await
            .map_err(hide_chat)?;
        match outcome {
            Outcome::Edited(message) => self.with_own_reaction(caller, *message).await,
            _ => Err(Error::MessageNotFound),
        }
    }

    async fn has_attachments(&self, caller: UserId, id: MessageId) -> Result<bool, Error> {
        let message = self.get_message(caller, id).await?;
        Ok(message.extras.is_some_and(|extras| !extras.attachments.is_empty()))
    }

    /// A message with the caller's reaction to it, which only one that bears reactions can have.
    async fn with_own_reaction(&self, caller: UserId, message: Message) -> Result<Message, Error> {
        if message.reactions.is_empty() {
            return Ok(message);
        }
        let now = self.get_message(caller, message.id()).await?;
        Ok(Message { my_reaction: now.my_reaction, ..message })
    }
}
