use std::time::Duration;

use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

use crate::domain::InvalidCursor;

/// Everything a use case of this service can be refused with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The text is no cursor of a list.
    #[error(transparent)]
    InvalidCursor(#[from] InvalidCursor),
    /// There is no such chat, or the caller is not a member.
    #[error("there is no such chat")]
    ChatNotFound,
    /// There is no such user.
    #[error("there is no such user")]
    UserNotFound,
    /// One of the two blocks the other.
    #[error("you and this person cannot write to each other")]
    Blocked,
    /// The other's privacy does not let the caller begin a chat.
    #[error("this person takes no new chats from you")]
    Private,
    /// A direct chat has two people.
    #[error("a direct chat is with another person than oneself")]
    WithOneself,
    /// The change is made, but the chat's log does not have it yet; asking again is right.
    #[error("the chat is being changed: try again")]
    NotReady(#[source] Status),
    /// The message service refused an update.
    #[error("the message service refused an update")]
    UpdateRefused(#[source] Status),
    /// The auth service did not answer as it should.
    #[error("the auth service failed")]
    Users(#[source] Status),
    /// The message service did not answer as it should.
    #[error("the message service failed")]
    Logs(#[source] Status),
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] pg::Error),
    /// What is stored is not what was stored.
    #[error("stored data is damaged: {0}")]
    Damaged(&'static str),
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::InvalidCursor(_) | Self::WithOneself => Code::InvalidArgument,
            Self::ChatNotFound | Self::UserNotFound => Code::NotFound,
            Self::Blocked | Self::Private => Code::PermissionDenied,
            Self::NotReady(_) => Code::Unavailable,
            Self::Users(status) | Self::Logs(status) if is_passing(status) => Code::Unavailable,
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Users(_) | Self::Logs(_) | Self::UpdateRefused(_) | Self::Database(_) | Self::Damaged(_) => {
                Code::Internal
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::InvalidCursor(_) => "INVALID_CURSOR",
            Self::WithOneself => "DIRECT_CHAT_WITH_ONESELF",
            Self::ChatNotFound => "CHAT_NOT_FOUND",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::Blocked => "BLOCKED",
            Self::Private => "PRIVACY",
            Self::NotReady(_) => "CHAT_NOT_READY",
            Self::Users(status) if is_passing(status) => "AUTH_SERVICE_UNAVAILABLE",
            Self::Logs(status) if is_passing(status) => "MESSAGE_SERVICE_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            Self::Users(_) | Self::Logs(_) | Self::UpdateRefused(_) | Self::Database(_) | Self::Damaged(_) => {
                "INTERNAL"
            }
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
            Self::NotReady(_) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

/// Whether another service's answer says no more than that it is not there now.
pub fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::ResourceExhausted
    )
}
