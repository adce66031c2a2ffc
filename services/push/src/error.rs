use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError, Target};
use tonic::{Code, Status};

use crate::push_service::InvalidKey;

/// Everything a use case of this service can be refused with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The stored VAPID key cannot be used.
    #[error("the VAPID key cannot be used")]
    Key(#[from] InvalidKey),
    /// Another service did not answer as it should.
    #[error("the {target} service failed")]
    Peer {
        /// Which one.
        target: Target,
        /// Its answer.
        #[source]
        status: Box<Status>,
    },
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] pg::Error),
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::Peer { .. } => Code::Unavailable,
            Self::Database(error) if error.is_unavailable() || error.is_conflict() => Code::Unavailable,
            Self::Database(_) | Self::Key(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::Peer { .. } => "PEER_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() || error.is_conflict() => "DATABASE_UNAVAILABLE",
            Self::Database(_) | Self::Key(_) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(invalid) => invalid.fields(),
            _ => Vec::new(),
        }
    }
}
