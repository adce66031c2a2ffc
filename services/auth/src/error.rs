use std::time::Duration;

use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::Code;

use crate::domain::{SealError, TokenError};

/// How long a client waits that met a full queue of password checks.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Why the service refuses, or fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request are wrong.
    #[error("some fields are not valid")]
    Invalid(Vec<FieldViolation>),
    /// Somebody else has the username.
    #[error("the username is taken")]
    UsernameTaken,
    /// Not the code of this address.
    #[error("the code is wrong")]
    CodeWrong,
    /// The code's time is over.
    #[error("the code has expired")]
    CodeExpired,
    /// Too many wrong codes.
    #[error("too many wrong codes: try again later")]
    CodeLocked(Duration),
    /// Less than a minute since the last code.
    #[error("a code was sent less than a minute ago")]
    CodeTooSoon(Duration),
    /// Five codes within a day.
    #[error("no more codes are sent to this address today")]
    CodeDailyLimit(Duration),
    /// Unknown account or wrong password.
    #[error("the login or the password is wrong")]
    BadCredentials,
    /// Too many wrong passwords.
    #[error("too many failed logins: try again later")]
    LoginThrottled(Duration),
    /// The password is right, the address is not confirmed.
    #[error("the e-mail address is not confirmed yet")]
    EmailNotVerified,
    /// The queue of password checks is full.
    #[error("too many logins at the moment: try again")]
    Busy,
    /// No refresh token of this service.
    #[error("the refresh token is not valid")]
    RefreshTokenInvalid,
    /// The session was not refreshed for too long.
    #[error("the session has expired: log in again")]
    SessionExpired,
    /// The session was ended, by a logout, a login of the same device or a used refresh token.
    #[error("the session is over: log in again")]
    SessionRevoked,
    /// The refresh token was used before: the session is over now.
    #[error("the refresh token was used before: the session is over")]
    RefreshTokenReused,
    /// No such user.
    #[error("there is no such user")]
    UserNotFound,
    /// The database did not do it.
    #[error("the accounts cannot be reached")]
    Database(#[from] pg::Error),
    /// A password could not be hashed or compared.
    #[error("a password could not be hashed")]
    Password(#[from] bcrypt::BcryptError),
    /// The blocking pool ended while it hashed a password.
    #[error("hashing a password was interrupted")]
    PasswordInterrupted(#[from] tokio::task::JoinError),
    /// An access token could not be made.
    #[error("an access token could not be made")]
    Token(#[from] TokenError),
    /// A stored secret could not be sealed or opened.
    #[error("a stored secret is not usable")]
    Seal(#[from] SealError),
}

impl From<InvalidField> for Error {
    fn from(error: InvalidField) -> Self {
        Self::Invalid(error.fields())
    }
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) | Self::CodeWrong | Self::CodeExpired => Code::InvalidArgument,
            Self::UsernameTaken => Code::AlreadyExists,
            Self::CodeLocked(_)
            | Self::CodeTooSoon(_)
            | Self::CodeDailyLimit(_)
            | Self::LoginThrottled(_)
            | Self::Busy => Code::ResourceExhausted,
            Self::BadCredentials
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenReused
            | Self::SessionExpired
            | Self::SessionRevoked => Code::Unauthenticated,
            Self::EmailNotVerified => Code::FailedPrecondition,
            Self::UserNotFound => Code::NotFound,
            Self::Database(error) if error.is_unavailable() || error.is_conflict() => Code::Unavailable,
            Self::Database(_) | Self::Password(_) | Self::PasswordInterrupted(_) | Self::Token(_) | Self::Seal(_) => {
                Code::Internal
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_ARGUMENT",
            Self::UsernameTaken => "USERNAME_TAKEN",
            Self::CodeWrong => "CODE_WRONG",
            Self::CodeExpired => "CODE_EXPIRED",
            Self::CodeLocked(_) => "CODE_LOCKED",
            Self::CodeTooSoon(_) => "CODE_TOO_SOON",
            Self::CodeDailyLimit(_) => "CODE_DAILY_LIMIT",
            Self::BadCredentials => "BAD_CREDENTIALS",
            Self::LoginThrottled(_) => "LOGIN_THROTTLED",
            Self::EmailNotVerified => "EMAIL_NOT_VERIFIED",
            Self::Busy => "LOGINS_BUSY",
            Self::RefreshTokenInvalid => "REFRESH_TOKEN_INVALID",
            Self::SessionExpired => "SESSION_EXPIRED",
            Self::SessionRevoked => "SESSION_REVOKED",
            Self::RefreshTokenReused => "REFRESH_TOKEN_REUSED",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::Database(error) if error.is_unavailable() || error.is_conflict() => "DATABASE_UNAVAILABLE",
            Self::Database(_) | Self::Password(_) | Self::PasswordInterrupted(_) | Self::Token(_) | Self::Seal(_) => {
                "INTERNAL"
            }
        }
    }

    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CodeLocked(pause)
            | Self::CodeTooSoon(pause)
            | Self::CodeDailyLimit(pause)
            | Self::LoginThrottled(pause) => Some(*pause),
            Self::Busy => Some(BUSY_PAUSE),
            _ => None,
        }
    }
}
