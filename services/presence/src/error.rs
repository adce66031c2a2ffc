use godwit_live as live;
use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

/// Everything a use case of this service can be refused with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// Live did not answer as it should.
    #[error("who is online is not known now")]
    Live(#[from] live::Error),
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] pg::Error),
    /// Another service did not answer as it should.
    #[error("another service failed")]
    Peer(#[source] Box<Status>),
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
            Self::NotFound => Code::NotFound,
            Self::Live(error) if error.is_unavailable() => Code::Unavailable,
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Peer(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                Code::Unavailable
            }
            Self::Live(_) | Self::Database(_) | Self::Peer(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::NotFound => "USER_NOT_FOUND",
            Self::Live(error) if error.is_unavailable() => "PRESENCE_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            Self::Peer(_) if self.code() == Code::Unavailable => "PEER_UNAVAILABLE",
            Self::Live(_) | Self::Database(_) | Self::Peer(_) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(invalid) => invalid.fields(),
            _ => Vec::new(),
        }
    }
}
