use std::fmt;
use std::time::Duration;

use godwit_contract::v1::ErrorFrame;

/// Why a call, a send or a connection did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered that it would not.
    #[error("the server refused")]
    Refused(#[source] Box<Problem>),
    /// No answer came. The server may or may not have done it.
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The answer is not what the contract says.
    #[error("the server's answer with status {status} cannot be read")]
    Undecodable {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the body.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is larger than any answer of the contract.
    #[error("the server's answer is too large")]
    AnswerTooLarge,
    /// There is no session, or it is over: log in.
    #[error("there is no session")]
    LoggedOut,
    /// The queue of pending sends is full.
    #[error("the queue of pending sends is full")]
    QueueFull,
    /// The message breaks a limit of the contract and was not queued.
    #[error("the message cannot be sent: {0}")]
    InvalidMessage(&'static str),
    /// The connection was closed; a pending send stays in the snapshot.
    #[error("the connection is closed")]
    Closed,
    /// The base URL cannot be used.
    #[error("the base URL must be an http or https address")]
    InvalidUrl,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Setup(#[source] reqwest::Error),
}

impl Error {
    /// The server's stable reason, when it gave one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.reason),
            _ => None,
        }
    }

    /// The HTTP status of the refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::Undecodable { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same call may work later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.is_temporary(),
            Self::Undecodable { status, .. } => *status >= 500,
            Self::Unreachable(_) | Self::QueueFull => true,
            _ => false,
        }
    }

    /// When the server said to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after,
            _ => None,
        }
    }
}

/// A refusal: an RFC 9457 problem of REST, or an error frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status, also of an error frame.
    pub status: u16,
    /// Stable, for programs, such as `CHAT_NOT_FOUND`.
    pub reason: String,
    /// For people.
    pub detail: String,
    /// Which fields are wrong, and how.
    pub fields: Vec<(String, String)>,
    /// When to try again, if the server said so.
    pub retry_after: Option<Duration>,
    /// For the server's operator; empty on an error frame.
    pub request_id: String,
}

impl Problem {
    /// Whether the same request may work later: the server is overloaded or failing, not refusing for good.
    pub const fn is_temporary(&self) -> bool {
        matches!(self.status, 0 | 401 | 408 | 425 | 429) || (self.status >= 500 && self.status != 501)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.reason, self.detail)?;
        for (field, problem) in &self.fields {
            write!(f, "; {field} {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

impl From<ErrorFrame> for Problem {
    fn from(frame: ErrorFrame) -> Self {
        Self {
            status: u16::try_from(frame.status).unwrap_or(500),
            reason: frame.reason,
            detail: frame.detail,
            retry_after: (frame.retry_after_ms > 0).then(|| Duration::from_millis(frame.retry_after_ms.into())),
            ..Self::default()
        }
    }
}
