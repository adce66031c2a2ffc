use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

/// Everything a use case of this service can be refused with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// There is no such chat, or the caller is no member of it.
    #[error("there is no such chat")]
    ChatNotFound,
    /// Another service did not answer as it should.
    #[error("another service failed")]
    Peer(#[source] Box<Status>),
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] pg::Error),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Peer(Box::new(status))
    }
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::ChatNotFound => Code::NotFound,
            Self::Peer(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                Code::Unavailable
            }
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Peer(_) | Self::Database(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::ChatNotFound => "CHAT_NOT_FOUND",
            Self::Peer(_) if self.code() == Code::Unavailable => "PEER_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            Self::Peer(_) | Self::Database(_) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(invalid) => invalid.fields(),
            _ => Vec::new(),
        }
    }
}
