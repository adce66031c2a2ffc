use bytes::Bytes;
use godwit_kernel::{ChatId, EventId, Seq, UserId};
use time::OffsetDateTime;

use super::{ClientMessageId, ContentHash, Epoch, MembershipVersion, MessageText};

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
    /// Something that another service has committed; its content is of no concern here.
    Event(NewEvent),
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
    /// Of all that the sender chose.
    pub content_hash: ContentHash,
    /// The version of the posting policy that allows it.
    pub policy_version: MembershipVersion,
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
    /// The sender used the client message id for another content before.
    Reused,
    /// The member list changed since the posting policy was read: read it again.
    StalePolicy,
    /// The chat's log is not there yet: its first update is on the way.
    NoLog,
}
