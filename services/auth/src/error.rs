use std::time::Duration;

use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::Code;

use crate::domain::access::Refusal;
use crate::domain::{InvalidPeopleCursor, QrError, SealError, TokenError, WeakPassword};

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
    /// No session of the caller.
    #[error("there is no such session")]
    SessionNotFound,
    /// Too many failures from the client's address.
    #[error("too many failed logins from this address: try again later")]
    AddressThrottled(Duration),
    /// A password that must not be set.
    #[error("{}", weakness(*problem))]
    WeakPassword {
        /// Where it was.
        field: &'static str,
        /// Why not.
        problem: WeakPassword,
    },
    /// Not the caller's password.
    #[error("the password is wrong")]
    PasswordWrong,
    /// Too many wrong passwords of a caller.
    #[error("too many wrong passwords: try again later")]
    PasswordThrottled(Duration),
    /// Less than a minute since the last reset token.
    #[error("a mail to reset the password was sent less than a minute ago")]
    ResetTooSoon(Duration),
    /// Five reset tokens within a day.
    #[error("no more mails to reset the password are sent to this address today")]
    ResetDailyLimit(Duration),
    /// No reset token, or one that was used or replaced.
    #[error("the token is not valid")]
    ResetTokenInvalid,
    /// The reset token's time is over.
    #[error("the token has expired")]
    ResetTokenExpired,
    /// Neither a code of now nor an unused recovery code.
    #[error("the code is wrong")]
    TwoFactorCodeWrong,
    /// Too many wrong second factors.
    #[error("too many wrong codes: try again later")]
    TwoFactorThrottled(Duration),
    /// Logins are guarded already.
    #[error("two-factor logins are on already")]
    TwoFactorAlreadyOn,
    /// Logins are not guarded.
    #[error("two-factor logins are not on")]
    TwoFactorNotOn,
    /// There is no secret to confirm.
    #[error("two-factor logins are not set up")]
    TwoFactorNotSetUp,
    /// No challenge of this device, or one that is over.
    #[error("the challenge is over: log in again")]
    ChallengeInvalid,
    /// The access table says no.
    #[error("{0}")]
    Access(Refusal),
    /// No cursor of this list.
    #[error("the cursor is not of this list")]
    InvalidCursor,
    /// The username is nobody's to take.
    #[error("the username is reserved")]
    UsernameReserved,
    /// One of the two has as many friends as may be.
    #[error("one of the two has too many friends")]
    FriendsLimit,
    /// The caller has as many open requests as may be.
    #[error("too many friend requests wait for an answer")]
    FriendRequestsLimit,
    /// The caller blocks as many people as may be.
    #[error("too many people are blocked")]
    BlocksLimit,
    /// The blocks are kept, but the chat service does not know of them yet.
    #[error("the block is not in force everywhere yet: ask again")]
    BlockNotReady(#[source] tonic::Status),
    /// No upload of the caller.
    #[error("there is no such upload")]
    MediaNotFound,
    /// An upload of the caller that cannot be an avatar.
    #[error("the upload is not an image")]
    MediaNotAnImage,
    /// The media service does not answer.
    #[error("the avatar cannot be changed now")]
    MediaUnavailable(#[source] tonic::Status),
    /// The avatar was changed by other calls all the time.
    #[error("the avatar was changed meanwhile")]
    AvatarChangedMeanwhile,
    /// The database did not do it.
    #[error("the accounts cannot be reached")]
    Database(#[from] pg::Error),
    /// A password could not be hashed or compared.
    #[error("a password could not be hashed")]
    Password(#[from] bcrypt::BcryptError),
    /// A thread that hashes passwords gave one up.
    #[error("hashing a password was interrupted")]
    PasswordInterrupted(#[from] tokio::sync::oneshot::error::RecvError),
    /// A thread that hashes passwords could not be started.
    #[error("a thread for passwords could not be started")]
    PasswordThread(#[source] std::io::Error),
    /// A QR code could not be drawn.
    #[error("a QR code could not be drawn")]
    Qr(#[from] QrError),
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

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Access(refusal)
    }
}

impl From<InvalidPeopleCursor> for Error {
    fn from(InvalidPeopleCursor: InvalidPeopleCursor) -> Self {
        Self::InvalidCursor
    }
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(_)
            | Self::CodeWrong
            | Self::CodeExpired
            | Self::InvalidCursor
            | Self::WeakPassword { .. }
            | Self::ResetTokenInvalid
            | Self::ResetTokenExpired
            | Self::TwoFactorCodeWrong => Code::InvalidArgument,
            Self::PasswordWrong => Code::PermissionDenied,
            Self::UsernameTaken | Self::UsernameReserved => Code::AlreadyExists,
            Self::CodeLocked(_)
            | Self::CodeTooSoon(_)
            | Self::CodeDailyLimit(_)
            | Self::LoginThrottled(_)
            | Self::AddressThrottled(_)
            | Self::PasswordThrottled(_)
            | Self::TwoFactorThrottled(_)
            | Self::ResetTooSoon(_)
            | Self::ResetDailyLimit(_)
            | Self::Busy => Code::ResourceExhausted,
            Self::BadCredentials
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenReused
            | Self::SessionExpired
            | Self::SessionRevoked
            | Self::ChallengeInvalid => Code::Unauthenticated,
            Self::EmailNotVerified
            | Self::TwoFactorAlreadyOn
            | Self::TwoFactorNotOn
            | Self::TwoFactorNotSetUp
            | Self::FriendsLimit
            | Self::FriendRequestsLimit
            | Self::BlocksLimit
            | Self::MediaNotAnImage => Code::FailedPrecondition,
            Self::MediaNotFound | Self::SessionNotFound => Code::NotFound,
            Self::AvatarChangedMeanwhile => Code::Aborted,
            Self::BlockNotReady(_) | Self::MediaUnavailable(_) => Code::Unavailable,
            Self::Access(refusal) => access_code(*refusal),
            Self::Database(error) if error.is_unavailable() || error.is_conflict() => Code::Unavailable,
            Self::Database(_)
            | Self::Password(_)
            | Self::PasswordInterrupted(_)
            | Self::PasswordThread(_)
            | Self::Qr(_)
            | Self::Token(_)
            | Self::Seal(_) => Code::Internal,
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
            Self::SessionNotFound => "SESSION_NOT_FOUND",
            Self::AddressThrottled(_) => "ADDRESS_THROTTLED",
            Self::WeakPassword { problem: WeakPassword::TooCommon, .. } => "PASSWORD_TOO_COMMON",
            Self::WeakPassword { problem: WeakPassword::HoldsName, .. } => "PASSWORD_HOLDS_NAME",
            Self::PasswordWrong => "PASSWORD_WRONG",
            Self::PasswordThrottled(_) => "PASSWORD_THROTTLED",
            Self::ResetTooSoon(_) => "RESET_TOO_SOON",
            Self::ResetDailyLimit(_) => "RESET_DAILY_LIMIT",
            Self::ResetTokenInvalid => "RESET_TOKEN_INVALID",
            Self::ResetTokenExpired => "RESET_TOKEN_EXPIRED",
            Self::TwoFactorCodeWrong => "TWO_FACTOR_CODE_WRONG",
            Self::TwoFactorThrottled(_) => "TWO_FACTOR_THROTTLED",
            Self::TwoFactorAlreadyOn => "TWO_FACTOR_ALREADY_ON",
            Self::TwoFactorNotOn => "TWO_FACTOR_NOT_ON",
            Self::TwoFactorNotSetUp => "TWO_FACTOR_NOT_SET_UP",
            Self::ChallengeInvalid => "CHALLENGE_INVALID",
            Self::Access(refusal) => refusal.reason(),
            Self::InvalidCursor => "INVALID_CURSOR",
            Self::UsernameReserved => "USERNAME_RESERVED",
            Self::FriendsLimit => "FRIENDS_LIMIT",
            Self::FriendRequestsLimit => "FRIEND_REQUESTS_LIMIT",
            Self::BlocksLimit => "BLOCKS_LIMIT",
            Self::BlockNotReady(_) => "BLOCK_NOT_READY",
            Self::MediaNotFound => "MEDIA_NOT_FOUND",
            Self::MediaNotAnImage => "MEDIA_NOT_AN_IMAGE",
            Self::MediaUnavailable(_) => "MEDIA_UNAVAILABLE",
            Self::AvatarChangedMeanwhile => "AVATAR_CHANGED_MEANWHILE",
            Self::Database(error) if error.is_unavailable() || error.is_conflict() => "DATABASE_UNAVAILABLE",
            Self::Database(_)
            | Self::Password(_)
            | Self::PasswordInterrupted(_)
            | Self::PasswordThread(_)
            | Self::Qr(_)
            | Self::Token(_)
            | Self::Seal(_) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            Self::WeakPassword { field, problem } => {
                vec![FieldViolation { field: (*field).to_owned(), problem: weakness(*problem).to_owned() }]
            }
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CodeLocked(pause)
            | Self::CodeTooSoon(pause)
            | Self::CodeDailyLimit(pause)
            | Self::LoginThrottled(pause)
            | Self::AddressThrottled(pause)
            | Self::PasswordThrottled(pause)
            | Self::TwoFactorThrottled(pause)
            | Self::ResetTooSoon(pause)
            | Self::ResetDailyLimit(pause) => Some(*pause),
            Self::Busy => Some(BUSY_PAUSE),
            _ => None,
        }
    }
}

/// For people.
const fn weakness(problem: WeakPassword) -> &'static str {
    match problem {
        WeakPassword::TooCommon => "the password is among the commonest",
        WeakPassword::HoldsName => "the password is one of your own names",
    }
}

const fn access_code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::Unauthenticated => Code::Unauthenticated,
        Refusal::UserNotFound | Refusal::FriendRequestNotFound => Code::NotFound,
        Refusal::CannotTargetSelf => Code::InvalidArgument,
        Refusal::Blocked | Refusal::Privacy => Code::PermissionDenied,
    }
}
