use godwit_kernel::{ChatId, MessageId, Seq, UserId};
use time::OffsetDateTime;

use super::{ClientMessageId, Emoji, Entity, Extras, MessageText, ReactionCount};

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The chat that holds it.
    pub chat_id: ChatId,
    /// Its place in the chat's log.
    pub seq: Seq,
    /// Who sent it.
    pub sender_id: UserId,
    /// Chosen by the sender.
    pub client_message_id: ClientMessageId,
    /// What it says.
    pub text: MessageText,
    /// When it was appended, by the log's clock.
    pub sent_at: OffsetDateTime,
    /// What it has besides its text; `None` for a plain text.
    pub extras: Option<Box<Extras>>,
    /// Its last edit.
    pub edit: Option<Edit>,
    /// The most given first.
    pub reactions: Vec<ReactionCount>,
    /// Of who asks.
    pub my_reaction: Option<Emoji>,
    /// Deleted for everyone: nothing that it said is left.
    pub is_deleted: bool,
}

/// That a message was edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// When it was last.
    pub edited_at: OffsetDateTime,
    /// How often.
    pub count: u32,
}

impl Message {
    /// Its address.
    pub const fn id(&self) -> MessageId {
        MessageId { chat_id: self.chat_id, seq: self.seq }
    }

    /// How often it was edited.
    pub fn edit_count(&self) -> u32 {
        self.edit.map_or(0, |edit| edit.count)
    }

    /// The parts of its text with a meaning.
    pub fn entities(&self) -> &[Entity] {
        self.extras.as_ref().map_or(&[], |extras| extras.entities.as_slice())
    }

    /// What it answers.
    pub fn reply_to_seq(&self) -> Option<Seq> {
        let reply = self.extras.as_ref()?.reply_to.as_ref()?;
        (!reply.is_deleted).then_some(reply.message_id.seq)
    }

    /// Forgets what it says of the message that it answers, which is deleted.
    pub fn forget_snippet(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.forget_snippet();
        }
    }

    /// What is left of it once it is deleted for everyone.
    #[must_use]
    pub fn erased(&self) -> Self {
        Self {
            text: MessageText::from_store(String::new()),
            extras: None,
            reactions: Vec::new(),
            my_reaction: None,
            is_deleted: true,
            client_message_id: self.client_message_id.clone(),
            ..*self
        }
    }
}

/// One version of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What it said.
    pub text: MessageText,
    /// Its parts with a meaning.
    pub entities: Vec<Entity>,
    /// When it was sent or edited so.
    pub written_at: OffsetDateTime,
}

/// Which part of a history, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Messages below a seq, newest first.
    Before(Seq),
    /// Messages above a seq, oldest first.
    After(Seq),
}
