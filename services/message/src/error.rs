use std::time::Duration;

use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

use crate::domain::{InvalidCursor, Refusal};

/// When a call is worth trying again that was refused because a queue was full or a log not there yet.
const SOON: Duration = Duration::from_secs(1);

/// Everything a use case of this service can be refused with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// There is no such chat, or the caller is not a member.
    #[error("there is no such chat")]
    ChatNotFound,
    /// There is no such message, or the caller may not see it.
    #[error("there is no such message")]
    MessageNotFound,
    /// The caller may read the chat only.
    #[error("you may not post in this chat")]
    PostingNotAllowed,
    /// One of the two of a direct chat blocks the other.
    #[error("you and this person cannot write to each other")]
    Blocked,
    /// The caller sent another message under the same id before.
    #[error("this client_message_id was used for another message: choose a new one")]
    ClientMessageIdReused,
    /// What the message answers is not there, or not for the caller.
    #[error("the message that is answered is not in this chat")]
    ReplyNotFound,
    /// A file is no finished upload of the caller.
    #[error("an attachment is no finished upload of yours")]
    AttachmentNotFound,
    /// Only its sender edits a message.
    #[error("only its sender edits a message")]
    EditNotAllowed,
    /// A forwarded message is not edited.
    #[error("a forwarded message cannot be edited")]
    ForwardNotEditable,
    /// The message is older than 48 hours.
    #[error("a message can be edited for 48 hours")]
    EditWindowOver,
    /// The message was edited a hundred times.
    #[error("a message can be edited 100 times")]
    TooManyEdits,
    /// The message is another's, and the caller is no admin.
    #[error("you may not delete this message for everyone")]
    DeletionNotAllowed,
    /// The caller may not react here.
    #[error("you may not react in this chat")]
    ReactionNotAllowed,
    /// Who reacted is not for the caller.
    #[error("you may not see who reacted in this chat")]
    ReactionsHidden,
    /// The message bears as many different emoji as it may.
    #[error("the message has 20 different reactions already")]
    TooManyReactions,
    /// The caller may not pin here.
    #[error("you may not pin messages in this chat")]
    PinningNotAllowed,
    /// As many messages are pinned as may.
    #[error("50 messages are pinned already")]
    TooManyPins,
    /// Who has read what is not for the caller.
    #[error("you may not see who has read this message")]
    ReceiptsHidden,
    /// The pause between two messages of the caller is not over.
    #[error("the chat is in slow mode: wait before you send again")]
    SlowMode {
        /// When it is over.
        retry_after: Duration,
    },
    /// The text is no account cursor.
    #[error(transparent)]
    InvalidCursor(#[from] InvalidCursor),
    /// As many sends wait as may.
    #[error("too many messages are being sent: try again with the same client_message_id")]
    Overloaded,
    /// As many large chats are counted as may be at the same time.
    #[error("the receipts of large chats are being counted: try again")]
    CountsBusy,
    /// The chat was made a moment ago, and the first update of its log is on the way.
    #[error("the chat is being made: try again")]
    LogNotReady,
    /// The chat's members changed again and again while permission was being checked.
    #[error("the chat's members are changing: try again")]
    MembersChanging,
    /// The process ends.
    #[error("the service is stopping: try again")]
    Stopping,
    /// Whether the update is committed is not known, or it is not; asking again with the same id is right.
    #[error("the message could not be stored now: try again with the same client_message_id")]
    AppendUnavailable,
    /// The update itself made the database refuse.
    #[error("the update could not be appended")]
    AppendRefused(#[source] pg::Error),
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] pg::Error),
    /// The chat service did not answer as it should.
    #[error("the chat service failed")]
    Chats(#[source] Status),
    /// The media service did not answer as it should.
    #[error("the media service failed")]
    Media(#[source] Status),
    /// The auth service did not answer as it should.
    #[error("the auth service failed")]
    Access(#[source] Status),
    /// The stream did not answer as it should.
    #[error("the stream failed")]
    Stream(#[source] godwit_events::Error),
    /// There is no such scheduled message of the caller, or no longer.
    #[error("there is no such scheduled message, or it is sent")]
    ScheduledNotFound,
    /// It is due, and what becomes of it is not known yet.
    #[error("the message is being sent at this moment")]
    ScheduledBeingSent,
    /// The caller has scheduled as many messages in the chat as they may.
    #[error("100 messages are scheduled in this chat already")]
    TooManyScheduled,
    /// What is stored is not what was stored.
    #[error("the log of chat {chat_id} is damaged: {problem}")]
    Damaged {
        /// The chat.
        chat_id: godwit_kernel::ChatId,
        /// What is wrong.
        problem: &'static str,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MessageNotFound => Self::MessageNotFound,
            Refusal::ReplyNotFound => Self::ReplyNotFound,
            Refusal::EditNotAllowed => Self::EditNotAllowed,
            Refusal::ForwardNotEditable => Self::ForwardNotEditable,
            Refusal::EditWindowOver => Self::EditWindowOver,
            Refusal::TooManyEdits => Self::TooManyEdits,
            Refusal::DeletionNotAllowed => Self::DeletionNotAllowed,
            Refusal::TooManyReactions => Self::TooManyReactions,
            Refusal::TooManyPins => Self::TooManyPins,
            Refusal::SlowMode { retry_after } => {
                Self::SlowMode { retry_after: Duration::try_from(retry_after).unwrap_or(SOON) }
            }
        }
    }
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::ChatNotFound
            | Self::MessageNotFound
            | Self::ReplyNotFound
            | Self::AttachmentNotFound
            | Self::ScheduledNotFound => Code::NotFound,
            Self::ScheduledBeingSent => Code::Aborted,
            Self::PostingNotAllowed
            | Self::Blocked
            | Self::EditNotAllowed
            | Self::DeletionNotAllowed
            | Self::ReactionNotAllowed
            | Self::ReactionsHidden
            | Self::PinningNotAllowed
            | Self::ReceiptsHidden => Code::PermissionDenied,
            Self::ForwardNotEditable
            | Self::EditWindowOver
            | Self::TooManyEdits
            | Self::TooManyReactions
            | Self::TooManyPins
            | Self::TooManyScheduled => Code::FailedPrecondition,
            Self::SlowMode { .. } => Code::ResourceExhausted,
            Self::ClientMessageIdReused => Code::AlreadyExists,
            Self::InvalidCursor(_) => Code::InvalidArgument,
            Self::Overloaded
            | Self::CountsBusy
            | Self::LogNotReady
            | Self::MembersChanging
            | Self::Stopping
            | Self::AppendUnavailable => Code::Unavailable,
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Chats(status) | Self::Media(status) | Self::Access(status) if is_passing(status) => Code::Unavailable,
            Self::Stream(_) => Code::Unavailable,
            Self::Database(_)
            | Self::AppendRefused(_)
            | Self::Chats(_)
            | Self::Media(_)
            | Self::Access(_)
            | Self::Damaged { .. } => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::ChatNotFound => "CHAT_NOT_FOUND",
            Self::MessageNotFound => "MESSAGE_NOT_FOUND",
            Self::PostingNotAllowed => "POSTING_NOT_ALLOWED",
            Self::Blocked => "BLOCKED",
            Self::ReplyNotFound => "REPLY_NOT_FOUND",
            Self::AttachmentNotFound => "ATTACHMENT_NOT_FOUND",
            Self::EditNotAllowed => "EDIT_NOT_ALLOWED",
            Self::ForwardNotEditable => "FORWARD_NOT_EDITABLE",
            Self::EditWindowOver => "EDIT_WINDOW_OVER",
            Self::TooManyEdits => "TOO_MANY_EDITS",
            Self::DeletionNotAllowed => "DELETION_NOT_ALLOWED",
            Self::ReactionNotAllowed => "REACTION_NOT_ALLOWED",
            Self::ReactionsHidden => "REACTIONS_HIDDEN",
            Self::TooManyReactions => "TOO_MANY_REACTIONS",
            Self::PinningNotAllowed => "PINNING_NOT_ALLOWED",
            Self::TooManyPins => "TOO_MANY_PINS",
            Self::ReceiptsHidden => "RECEIPTS_HIDDEN",
            Self::SlowMode { .. } => "SLOW_MODE",
            Self::ClientMessageIdReused => "CLIENT_MESSAGE_ID_REUSED",
            Self::InvalidCursor(_) => "INVALID_CURSOR",
            Self::Overloaded => "SEND_QUEUE_FULL",
            Self::CountsBusy => "OVERLOADED",
            Self::LogNotReady => "CHAT_NOT_READY",
            Self::MembersChanging => "MEMBERS_CHANGING",
            Self::Stopping => "STOPPING",
            Self::AppendUnavailable => "DATABASE_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            Self::Chats(status) if is_passing(status) => "CHAT_SERVICE_UNAVAILABLE",
            Self::Media(status) if is_passing(status) => "MEDIA_SERVICE_UNAVAILABLE",
            Self::Access(status) if is_passing(status) => "AUTH_SERVICE_UNAVAILABLE",
            Self::Stream(_) => "STREAM_UNAVAILABLE",
            Self::ScheduledNotFound => "SCHEDULED_NOT_FOUND",
            Self::ScheduledBeingSent => "SCHEDULED_BEING_SENT",
            Self::TooManyScheduled => "TOO_MANY_SCHEDULED",
            Self::Database(_)
            | Self::AppendRefused(_)
            | Self::Chats(_)
            | Self::Media(_)
            | Self::Access(_)
            | Self::Damaged { .. } => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(invalid) => invalid.fields(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded
            | Self::CountsBusy
            | Self::LogNotReady
            | Self::MembersChanging
            | Self::ScheduledBeingSent => Some(SOON),
            Self::SlowMode { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

/// Whether another service's answer says no more than that it is not there now.
fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::ResourceExhausted
    )
}
