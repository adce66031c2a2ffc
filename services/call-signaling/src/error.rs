use std::time::Duration;

use godwit_live as live;
use godwit_pg as pg;
use godwit_rpc::{FieldViolation, InvalidField, ServiceError};
use tonic::{Code, Status};

use crate::domain::{Refusal, State};
use crate::raft;

/// Everything a use case of this service can be refused with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// There is no such user, or none that the caller may call.
    #[error("there is no such user to call")]
    CalleeNotFound,
    /// One of the two blocks the other.
    #[error("you and this person cannot call each other")]
    Blocked,
    /// The callee's privacy does not let the caller call.
    #[error("this person takes no calls from you")]
    Private,
    /// The machine changed nothing.
    #[error("{}", describe(*.0))]
    Refused(Refusal),
    /// The replicas did not take the command.
    #[error("the call could not be replicated")]
    Raft(#[from] raft::Error),
    /// Another service did not answer as it should.
    #[error("another service failed")]
    Peer(#[source] Box<Status>),
    /// More signals than may be.
    #[error("too many signals")]
    TooManySignals {
        /// When there may be the next.
        retry_after: Duration,
    },
    /// Live did not answer as it should: nothing can be passed on.
    #[error("the other party cannot be reached now")]
    Live(#[from] live::Error),
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] pg::Error),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Peer(Box::new(status))
    }
}

fn describe(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound => "there is no such call",
        Refusal::WrongParty => "the other party of the call may do this",
        Refusal::WrongState(State::Ringing) => "the call still rings",
        Refusal::WrongState(State::Accepted) => "the call was accepted",
        Refusal::WrongState(_) => "the call is over",
        Refusal::NotDue => "the call may go on",
        Refusal::AnsweredElsewhere => "another device answered the call",
        Refusal::CallerInCall => "you are in another call",
        Refusal::IdReused => "the call id names another call",
        Refusal::Full => "too many calls are running",
    }
}

impl ServiceError for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::CalleeNotFound | Self::Refused(Refusal::NotFound) => Code::NotFound,
            Self::Blocked | Self::Private | Self::Refused(Refusal::WrongParty) => Code::PermissionDenied,
            Self::Refused(Refusal::IdReused) => Code::AlreadyExists,
            Self::Refused(Refusal::Full) | Self::TooManySignals { .. } => Code::ResourceExhausted,
            Self::Refused(_) => Code::FailedPrecondition,
            Self::Raft(raft::Error::NotLeader | raft::Error::Timeout) => Code::Unavailable,
            Self::Raft(raft::Error::Payload(_) | raft::Error::NoMembers) => Code::InvalidArgument,
            Self::Raft(raft::Error::MemberMoved(_) | raft::Error::MembersChanging) => Code::FailedPrecondition,
            Self::Peer(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                Code::Unavailable
            }
            Self::Live(error) if error.is_unavailable() => Code::Unavailable,
            Self::Database(error) if error.is_unavailable() => Code::Unavailable,
            Self::Raft(raft::Error::Failed(_)) | Self::Peer(_) | Self::Live(_) | Self::Database(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.reason(),
            Self::CalleeNotFound => "CALLEE_NOT_FOUND",
            Self::Blocked => "BLOCKED",
            Self::Private => "PRIVACY",
            Self::Refused(refusal) => match refusal {
                Refusal::NotFound => "CALL_NOT_FOUND",
                Refusal::WrongParty => "CALL_WRONG_PARTY",
                Refusal::WrongState(_) => "CALL_WRONG_STATE",
                Refusal::NotDue => "CALL_NOT_DUE",
                Refusal::AnsweredElsewhere => "CALL_ANSWERED_ELSEWHERE",
                Refusal::CallerInCall => "ALREADY_IN_CALL",
                Refusal::IdReused => "CALL_ID_REUSED",
                Refusal::Full => "TOO_MANY_CALLS",
            },
            Self::Raft(raft::Error::NotLeader) => "CALLS_NO_LEADER",
            Self::Raft(raft::Error::Timeout) => "CALLS_TIMEOUT",
            Self::Raft(raft::Error::Payload(_) | raft::Error::NoMembers) => "INVALID_ARGUMENT",
            Self::Raft(raft::Error::MemberMoved(_)) => "CALL_MEMBER_MOVED",
            Self::Raft(raft::Error::MembersChanging) => "CALL_MEMBERS_CHANGING",
            Self::Peer(_) if self.code() == Code::Unavailable => "PEER_UNAVAILABLE",
            Self::TooManySignals { .. } => "RATE_LIMITED",
            Self::Live(error) if error.is_unavailable() => "LIVE_UNAVAILABLE",
            Self::Database(error) if error.is_unavailable() => "DATABASE_UNAVAILABLE",
            Self::Raft(raft::Error::Failed(_)) | Self::Peer(_) | Self::Live(_) | Self::Database(_) => "INTERNAL",
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
            Self::TooManySignals { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}
