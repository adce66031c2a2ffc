use std::time::Duration;

use godwit_rpc::{Failure, ServiceError};
use tonic::{Code, Status};

/// Why the gateway itself refuses something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no access token.
    #[error("An access token is needed.")]
    TokenMissing,
    /// Nobody's token: malformed, of another issuer, or signed by no key of ours.
    #[error("The access token is not valid.")]
    TokenInvalid,
    /// The token's time is over.
    #[error("The access token has expired.")]
    TokenExpired,
    /// The token's session was ended.
    #[error("The session has ended.")]
    SessionRevoked,
    /// The keys that verify tokens cannot be had.
    #[error("Access tokens cannot be verified now.")]
    KeysUnavailable,
    /// The caller is not a member of the chat, or there is no such chat.
    #[error("The chat was not found.")]
    ChatNotFound,
    /// A renewed token is for another session.
    #[error("The access token is for another session.")]
    OtherSession,
    /// Too many requests.
    #[error("Too many requests.")]
    RateLimited {
        /// When there may be the next.
        retry_after: Duration,
    },
    /// The gateway serves as much as it can.
    #[error("The gateway serves too many clients now.")]
    Overloaded,
    /// More WebSockets are opened than can be at once.
    #[error("Too many WebSockets are opened now.")]
    HandshakesLimited {
        /// When there may be the next.
        retry_after: Duration,
    },
    /// The address has as many WebSockets as it may.
    #[error("This address has too many WebSockets.")]
    AddressFull {
        /// When it may try again.
        retry_after: Duration,
    },
    /// The gateway serves as many calls of this kind as it can.
    #[error("The gateway serves too many such requests now.")]
    Busy {
        /// When to try again; another for everybody.
        retry_after: Duration,
    },
    /// The gateway goes away.
    #[error("The gateway is restarting.")]
    Draining,
    /// A web page of another site.
    #[error("Pages of this origin may not connect.")]
    OriginForbidden,
    /// Another service refused or failed.
    #[error("another service answered {}", .0.code())]
    Service(#[source] Box<Status>),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Service(Box::new(status))
    }
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::TokenMissing | Self::TokenInvalid | Self::TokenExpired | Self::SessionRevoked => {
                Code::Unauthenticated
            }
            Self::KeysUnavailable
            | Self::Overloaded
            | Self::HandshakesLimited { .. }
            | Self::Busy { .. }
            | Self::Draining => Code::Unavailable,
            Self::ChatNotFound => Code::NotFound,
            Self::OtherSession => Code::InvalidArgument,
            Self::RateLimited { .. } | Self::AddressFull { .. } => Code::ResourceExhausted,
            Self::OriginForbidden => Code::PermissionDenied,
            Self::Service(status) => status.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TokenMissing => "UNAUTHENTICATED",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::SessionRevoked => "SESSION_REVOKED",
            Self::KeysUnavailable => "KEYS_UNAVAILABLE",
            Self::ChatNotFound => "CHAT_NOT_FOUND",
            Self::OtherSession => "OTHER_SESSION",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Overloaded | Self::HandshakesLimited { .. } | Self::Busy { .. } => "OVERLOADED",
            Self::AddressFull { .. } => "TOO_MANY_SOCKETS",
            Self::Draining => "RESTARTING",
            Self::OriginForbidden => "ORIGIN_FORBIDDEN",
            Self::Service(_) => "SERVICE",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after }
            | Self::HandshakesLimited { retry_after }
            | Self::Busy { retry_after }
            | Self::AddressFull { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            // What another service says of itself is passed on whole.
            Error::Service(status) => Self::from_status(&status),
            error => {
                let retry_after = error.retry_after();
                Self { retry_after, ..Self::new(error.code(), error.reason(), error.to_string()) }
            }
        }
    }
}
