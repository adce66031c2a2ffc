use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `google.rpc.ErrorInfo`.
pub(crate) const DOMAIN: &str = "godwit";

/// What a service's error enum tells about itself. Its `Display` is for people and reaches the client, unless the
/// code is `Internal` or `Unknown`.
pub trait ServiceError: Error + Send + Sync + 'static {
    /// The gRPC code. `Unavailable` when the same call may do later; `Internal` for what should not be.
    fn code(&self) -> Code;

    /// A stable name for programs, such as `CHAT_NOT_FOUND`.
    fn reason(&self) -> &'static str;

    /// The fields of the request that are wrong.
    fn fields(&self) -> Vec<FieldViolation> {
        vec![]
    }

    /// When the call may be tried again.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// A wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Its name in the proto file, with dots into nested messages.
    pub field: String,
    /// What is wrong, for people.
    pub problem: String,
}

/// The gRPC status of a service's error, with `google.rpc` details that [`crate::Failure`] reads.
///
/// Errors of code `Internal` and `Unknown` are logged here with their whole chain and nothing of them goes to the
/// client; `Unavailable` is logged as a warning.
pub fn to_status<E: ServiceError>(error: E) -> Status {
    let code = error.code();
    if matches!(code, Code::Internal | Code::Unknown) {
        tracing::error!(reason = error.reason(), error = chain(&error), "a call failed");
        return Status::with_error_details(Code::Internal, INTERNAL_DETAIL, details("INTERNAL"));
    }
    if code == Code::Unavailable {
        tracing::warn!(reason = error.reason(), error = chain(&error), "a call could not be served now");
    }
    let mut details = details(error.reason());
    for FieldViolation { field, problem } in error.fields() {
        details.add_bad_request_violation(field, problem);
    }
    if let Some(pause) = error.retry_after() {
        details.set_retry_info(Some(pause));
    }
    Status::with_error_details(code, error.to_string(), details)
}

/// All that a client learns of a failure that is ours.
pub(crate) const INTERNAL_DETAIL: &str = "Something failed on our side.";

/// A status with only a reason, for refusals that have no error type.
pub(crate) fn plain_status(code: Code, reason: &'static str, detail: impl Into<String>) -> Status {
    Status::with_error_details(code, detail, details(reason))
}

fn details(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, [])
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// One field of a request is wrong. Service errors take it by `#[from]` and pass its code, reason and fields on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// Its name in the proto file.
    pub field: &'static str,
    /// What is wrong, for people.
    pub problem: String,
}

impl InvalidField {
    /// `field` is wrong because of `problem`.
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

impl ServiceError for InvalidField {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "INVALID_ARGUMENT"
    }

    fn fields(&self) -> Vec<FieldViolation> {
        vec![FieldViolation { field: self.field.to_owned(), problem: self.problem.clone() }]
    }
}

/// The typed id in a field of a request.
///
/// # Errors
/// When the text is no such id.
pub fn parse_id<T: FromStr>(field: &'static str, text: &str) -> Result<T, InvalidField> {
    text.parse().map_err(|_| InvalidField::new(field, if text.is_empty() { "is missing" } else { "is not an id" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    #[derive(Debug, thiserror::Error)]
    enum TestError {
        #[error("slow down")]
        TooMany,
        #[error("the table is gone")]
        Broken(#[source] std::fmt::Error),
    }

    impl ServiceError for TestError {
        fn code(&self) -> Code {
            match self {
                Self::TooMany => Code::ResourceExhausted,
                Self::Broken(_) => Code::Internal,
            }
        }

        fn reason(&self) -> &'static str {
            match self {
                Self::TooMany => "TOO_MANY",
                Self::Broken(_) => "TABLE_GONE",
            }
        }

        fn retry_after(&self) -> Option<Duration> {
            Some(Duration::from_millis(1_500))
        }
    }

    #[test]
    fn reason_fields_and_pause_survive_the_status() {
        let failure = Failure::from_status(&to_status(TestError::TooMany));
        assert_eq!((failure.code, failure.reason.as_str()), (Code::ResourceExhausted, "TOO_MANY"));
        assert_eq!(failure.detail, "slow down");
        assert_eq!(failure.retry_after, Some(Duration::from_millis(1_500)));

        let failure = Failure::from_status(&to_status(parse_id::<godwit_kernel::UserId>("user_id", "x").unwrap_err()));
        assert_eq!(failure.reason, "INVALID_ARGUMENT");
        assert_eq!(failure.fields, [FieldViolation { field: "user_id".into(), problem: "is not an id".into() }]);
    }

    #[test]
    fn nothing_of_an_internal_error_reaches_the_client() {
        let status = to_status(TestError::Broken(std::fmt::Error));
        let failure = Failure::from_status(&status);
        assert_eq!((failure.reason.as_str(), failure.detail.as_str()), ("INTERNAL", INTERNAL_DETAIL));
        assert!(!format!("{status:?}").contains("table"));
    }

    #[test]
    fn the_logged_chain_names_every_cause() {
        let text = chain(&TestError::Broken(std::fmt::Error));
        assert!(text.starts_with("the table is gone: an error occurred"), "{text}");
    }
}
