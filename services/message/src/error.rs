use std::time::Duration;

use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

use crate::domain::InvalidCursor;

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
    /// The text is no account cursor.
    #[error(transparent)]
    InvalidCursor(#[from] InvalidCursor),
    /// As many sends wait as may.
    #[error("too many messages are being sent: try again with the same client_message_id")]
    Overloaded,
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
    /// What is stored is not what was stored.
    #[error("the log of chat {chat_id} is damaged: {problem}")]
    Damaged {
        /// The chat.
        chat_id: godwit_kernel::ChatId,
        /// What is wrong.
        problem: &'static str,
    },
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::ChatNotFound | Self::MessageNotFound => Code::NotFound,
            Self::PostingNotAllowed | Self::Blocked => Code::PermissionDenied,
            Self::ClientMessageIdReused => Code::AlreadyExists,
            Self::InvalidCursor(_) => Code::InvalidArgument,
            Self::Overloaded | Self::LogNotReady | Self::MembersChanging | Self::Stopping | Self::AppendUnavailable => {
                Code::Unavailable
            }
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Chats(status) if is_passing(status) => Code::Unavailable,
            Self::Database(_) | Self::AppendRefused(_) | Self::Chats(_) | Self::Damaged { .. } => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::ChatNotFound => "CHAT_NOT_FOUND",
            Self::MessageNotFound => "MESSAGE_NOT_FOUND",
            Self::PostingNotAllowed => "POSTING_NOT_ALLOWED",
            Self::Blocked => "BLOCKED",
            Self::ClientMessageIdReused => "CLIENT_MESSAGE_ID_REUSED",
            Self::InvalidCursor(_) => "INVALID_CURSOR",
            Self::Overloaded => "SEND_QUEUE_FULL",
            Self::LogNotReady => "CHAT_NOT_READY",
            Self::MembersChanging => "MEMBERS_CHANGING",
            Self::Stopping => "STOPPING",
            Self::AppendUnavailable => "DATABASE_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            Self::Chats(status) if is_passing(status) => "CHAT_SERVICE_UNAVAILABLE",
            Self::Database(_) | Self::AppendRefused(_) | Self::Chats(_) | Self::Damaged { .. } => "INTERNAL",
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
            Self::Overloaded | Self::LogNotReady | Self::MembersChanging => Some(SOON),
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
