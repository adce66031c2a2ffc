use std::sync::Arc;

use bytes::Bytes;
use godwit_kernel::{ChatId, EventId, MessageId, Seq, UserId};
use time::{Duration, OffsetDateTime};

use super::{
    ClientMessageId, ContentHash, Cursors, Emoji, Entity, Epoch, Extras, LinkPreview, MembershipVersion, Message,
    MessageText,
};

/// Small text pairs that travel beside an update on the stream: the trace context of who asked for it.
pub type Headers = Vec<(String, String)>;

/// What somebody asks to have appended to a chat's log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose log.
    pub chat_id: ChatId,
    /// For the record on the stream.
    pub headers: Headers,
    /// What changes.
    pub change: Change,
}

/// The change that an entry makes.
#[derive(Clone, Debug)]
pub enum Change {
    /// A message, numbered and stored by this service.
    Message(NewMessage),
    /// Something that another service has committed.
    Event(NewEvent),
    /// What a member does to what is there.
    Action(Action),
    /// What the page behind a message's link says of itself.
    Preview(NewPreview),
}

/// A message to append.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Who sends it.
    pub sender_id: UserId,
    /// The sender's name for it.
    pub client_message_id: ClientMessageId,
    /// What it says.
    pub text: MessageText,
    /// What it has besides its text; `None` for a plain text.
    pub extras: Option<Arc<Extras>>,
    /// The others whom it mentions.
    pub mentions: Vec<UserId>,
    /// Of all that the sender chose.
    pub content_hash: ContentHash,
    /// The version of the posting policy that allows it.
    pub policy_version: MembershipVersion,
    /// The pause since the sender's message before; 0 for none.
    pub slow_mode_secs: u32,
}

impl NewMessage {
    /// The message of the same chat that it answers.
    pub fn reply_to_seq(&self) -> Option<Seq> {
        Some(self.extras.as_ref()?.reply_to.as_ref()?.message_id.seq)
    }

    /// Whether it quotes a message that is older than this update.
    pub fn quotes_before(&self, seq: Seq) -> bool {
        let reply = self.extras.as_ref().and_then(|extras| extras.reply_to.as_ref());
        reply.is_some_and(|reply| reply.message_id.seq < seq && !reply.snippet.is_empty())
    }
}

/// A change that another service has committed.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Appended once, however often it is asked for.
    pub event_id: EventId,
    /// The version of the member list after it.
    pub membership_version: MembershipVersion,
    /// Actor and change: an encoded `godwit.v1.Update` without the fields that the log gives.
    pub partial_update: Bytes,
    /// Users who do not follow the chat's channel yet and are told on their own.
    pub announced_to: Vec<UserId>,
    /// What it means for who stands where in the log.
    pub membership: Membership,
}

/// What a change means for the members of its chat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Who is a member from it on.
    pub joined: Vec<UserId>,
    /// Updates and messages before it are not for them.
    pub is_history_hidden: bool,
    /// Who is no member any more.
    pub left: Vec<UserId>,
    /// There are so few members from it on that all are told how far each has come.
    pub are_receipts_told_again: bool,
    /// Nobody is, and nothing is to be left of the chat.
    pub is_chat_deleted: bool,
}

/// What a member does to what is there.
#[derive(Clone, Debug)]
pub struct Action {
    /// Who.
    pub actor_id: UserId,
    /// The version of the posting policy that allows it.
    pub policy_version: MembershipVersion,
    /// A member may be without a row of their own in this chat.
    pub may_be_absent: bool,
    /// What.
    pub act: Act,
}

/// What a member does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Says something else.
    Edit(NewEdit),
    /// Deletes a message for everyone.
    Delete {
        /// The message.
        seq: Seq,
        /// It may be another's.
        may_be_of_others: bool,
    },
    /// Reacts to a message, or takes the reaction away.
    React {
        /// The message.
        seq: Seq,
        /// The reaction from now on.
        emoji: Option<Emoji>,
        /// The chat's log does not tell who reacts; their own does.
        is_anonymous: bool,
    },
    /// Has come further.
    Advance {
        /// How far.
        cursors: Cursors,
        /// Who is told.
        audience: ReceiptAudience,
    },
    /// Pins a message.
    Pin {
        /// The message.
        seq: Seq,
    },
    /// Unpins a message.
    Unpin {
        /// The message.
        seq: Seq,
    },
    /// Deletes a message for themselves.
    Hide {
        /// The message.
        seq: Seq,
    },
    /// Deletes the whole history for themselves.
    Clear,
}

/// Who is told how far somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptAudience {
    /// All members.
    Chat,
    /// Only their own devices.
    Own,
}

/// Another content of a message.
#[derive(Clone, Debug)]
pub struct NewEdit {
    /// The message.
    pub seq: Seq,
    /// What it says from now on.
    pub text: MessageText,
    /// The parts of the text with a meaning.
    pub entities: Vec<Entity>,
    /// The others whom it mentions.
    pub mentions: Vec<UserId>,
}

/// What the page behind a message's link says of itself.
#[derive(Clone, Debug)]
pub struct NewPreview {
    /// The message.
    pub seq: Seq,
    /// How often the message had been edited when its link was read; after another edit the preview is dropped.
    pub edit_count: u32,
    /// What the page says.
    pub preview: LinkPreview,
}

/// The log of what is a person's alone: that of their Saved Messages, whose id is theirs.
pub const fn own_log(user_id: UserId) -> ChatId {
    ChatId::from_uuid(user_id.as_uuid())
}

impl Entry {
    /// The log of its actor, when the change is told there.
    pub fn own_log(&self) -> Option<ChatId> {
        let Change::Action(Action { actor_id, act, .. }) = &self.change else {
            return None;
        };
        let is_told_there = match act {
            Act::React { is_anonymous, .. } => *is_anonymous,
            Act::Advance { audience, .. } => *audience == ReceiptAudience::Own,
            Act::Hide { .. } | Act::Clear => true,
            Act::Edit(_) | Act::Delete { .. } | Act::Pin { .. } | Act::Unpin { .. } => false,
        };
        is_told_there.then(|| own_log(*actor_id))
    }

    /// The message that must be known to plan the entry.
    pub fn target(&self) -> Option<MessageId> {
        let seq = match &self.change {
            Change::Message(message) => message.reply_to_seq()?,
            Change::Event(_) => return None,
            Change::Preview(preview) => preview.seq,
            Change::Action(action) => match &action.act {
                Act::Edit(edit) => edit.seq,
                Act::Delete { seq, .. } | Act::React { seq, .. } | Act::Pin { seq } | Act::Hide { seq } => *seq,
                Act::Unpin { .. } | Act::Advance { .. } | Act::Clear => return None,
            },
        };
        Some(MessageId { chat_id: self.chat_id, seq })
    }

    /// What it takes in memory and, roughly, in its batch.
    pub fn size_bytes(&self) -> usize {
        let change = match &self.change {
            Change::Message(message) => {
                message.text.as_str().len() + message.extras.as_ref().map_or(0, |extras| extras.size_bytes())
            }
            Change::Event(event) => event.partial_update.len(),
            Change::Action(Action { act: Act::Edit(edit), .. }) => {
                edit.text.as_str().len() + edit.entities.iter().map(Entity::size_bytes).sum::<usize>()
            }
            Change::Action(_) => 0,
            Change::Preview(preview) => preview.preview.size_bytes(),
        };
        change + 256
    }
}

/// Where an entry stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its number.
    pub seq: Seq,
    /// The log's name.
    pub epoch: Epoch,
    /// By the log's clock; never earlier than the update before.
    pub occurred_at: OffsetDateTime,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed.
    Appended(Placed),
    /// It had been committed before; this is the first result.
    Repeated(Placed),
    /// The message is so now, whether or not it was before.
    Edited(Box<Message>),
    /// The actor has come so far now, whether or not they had before.
    Advanced(Cursors),
    /// What is asked for is so already.
    Unchanged,
    /// The sender used the client message id for another content before.
    Reused,
    /// The member list changed since the posting policy was read: read it again.
    StalePolicy,
    /// The chat's log is not there yet, or does not know the member yet: the update is on the way.
    NoLog,
    /// The actor's own log is not there: it must be made first.
    NoOwnLog,
    /// It cannot be done.
    Refused(Refusal),
}

/// Why something cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such message any more.
    MessageNotFound,
    /// What the message answers is not there any more.
    ReplyNotFound,
    /// Only its sender edits a message.
    EditNotAllowed,
    /// A forwarded message is not edited.
    ForwardNotEditable,
    /// The message is older than 48 hours.
    EditWindowOver,
    /// The message was edited a hundred times.
    TooManyEdits,
    /// The message is another's.
    DeletionNotAllowed,
    /// The message bears as many different emoji as it may.
    TooManyReactions,
    /// As many messages are pinned as may.
    TooManyPins,
    /// The sender's pause is not over.
    SlowMode {
        /// When it is.
        retry_after: Duration,
    },
}
