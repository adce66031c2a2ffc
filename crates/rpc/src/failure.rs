use std::time::Duration;

use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::FieldViolation;
use crate::error::INTERNAL_DETAIL;

/// What a caller learns when a call fails: the one form between a gRPC status and HTTP or an error frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The gRPC code.
    pub code: Code,
    /// A stable name for programs.
    pub reason: String,
    /// For people.
    pub detail: String,
    /// The fields of the request that are wrong.
    pub fields: Vec<FieldViolation>,
    /// When the call may be tried again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure that has no fields and no pause.
    pub fn new(code: Code, reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), detail: detail.into(), fields: vec![], retry_after: None }
    }

    /// What a status says. A status that names no reason gets the name of its code; the message of a failure that is
    /// ours is replaced.
    pub fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map_or_else(|| code_name(status.code()).to_owned(), |i| i.reason.clone());
        let fields = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
        let detail = match status.code() {
            Code::Internal | Code::Unknown | Code::DataLoss => INTERNAL_DETAIL.to_owned(),
            // Transports put addresses and system errors here.
            Code::Unavailable if details.error_info().is_none() => "The service is not available now.".to_owned(),
            _ => status.message().to_owned(),
        };
        Self {
            code: status.code(),
            reason,
            detail,
            fields: fields
                .iter()
                .map(|f| FieldViolation { field: f.field.clone(), problem: f.description.clone() })
                .collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }

    /// The HTTP status: as `google.rpc.Code` documents it, but 409 for `FAILED_PRECONDITION`. There it is 400, which
    /// tells clients to repair the request; ours say that the state of a thing forbids it, as `ABORTED` and
    /// `ALREADY_EXISTS` do.
    pub const fn http_status(&self) -> u16 {
        match self.code {
            Code::Ok => 200,
            Code::Cancelled => 499,
            Code::InvalidArgument | Code::OutOfRange => 400,
            Code::DeadlineExceeded => 504,
            Code::NotFound => 404,
            Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => 409,
            Code::PermissionDenied => 403,
            Code::Unauthenticated => 401,
            Code::ResourceExhausted => 429,
            Code::Unimplemented => 501,
            Code::Unavailable => 503,
            Code::Unknown | Code::Internal | Code::DataLoss => 500,
        }
    }

    /// The value of `Retry-After` in whole seconds, rounded up: always there for 429 and 503, where a client that is
    /// told no pause would come back at once.
    pub fn retry_after_secs(&self) -> Option<u64> {
        let told = self.retry_after.map(|pause| pause.as_millis().div_ceil(1_000));
        let told = told.map(|secs| u64::try_from(secs).unwrap_or(u64::MAX).max(1));
        match self.code {
            Code::ResourceExhausted | Code::Unavailable => told.or(Some(1)),
            _ => told,
        }
    }

    /// The body of `application/problem+json` (RFC 9457).
    pub fn to_problem(&self, request_id: &str) -> Value {
        self.to_problem_as(self.http_status(), request_id)
    }

    /// The same under another HTTP status, for refusals that HTTP tells apart and gRPC does not: 405, 413, 408.
    pub fn to_problem_as(&self, status: u16, request_id: &str) -> Value {
        let mut problem = json!({
            // The reason tells the kinds apart; no page describes each (RFC 9457, section 4.2.1).
            "type": "about:blank",
            "title": title(status),
            "status": status,
            "detail": self.detail,
            "reason": self.reason,
            "request_id": request_id,
        });
        if let Some(problem) = problem.as_object_mut() {
            if !self.fields.is_empty() {
                let errors = self.fields.iter().map(|f| json!({ "field": f.field, "detail": f.problem })).collect();
                problem.insert("errors".to_owned(), Value::Array(errors));
            }
            if let Some(secs) = self.retry_after_secs() {
                problem.insert("retry_after_secs".to_owned(), secs.into());
            }
        }
        problem
    }
}

fn title(status: u16) -> &'static str {
    match status {
        499 => "Client Closed Request",
        status => http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error"),
    }
}

/// The name of a code in `google.rpc.Code`.
pub(crate) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_reason_status_request_and_fields() {
        let mut failure = Failure::new(Code::InvalidArgument, "INVALID_ARGUMENT", "text is empty");
        failure.fields.push(FieldViolation { field: "text".into(), problem: "is empty".into() });
        assert_eq!(
            failure.to_problem("r1"),
            json!({
                "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "text is empty",
                "reason": "INVALID_ARGUMENT", "request_id": "r1", "errors": [{"field": "text", "detail": "is empty"}],
            })
        );
    }

    #[test]
    fn whoever_must_wait_is_told_how_long_in_whole_seconds() {
        let mut failure = Failure::new(Code::ResourceExhausted, "TOO_MANY", "slow down");
        assert_eq!(failure.retry_after_secs(), Some(1));
        failure.retry_after = Some(Duration::from_millis(2_001));
        assert_eq!(failure.retry_after_secs(), Some(3));
        assert_eq!(failure.to_problem("r")["retry_after_secs"], 3);
        assert_eq!(Failure::new(Code::NotFound, "X", "y").retry_after_secs(), None);
    }

    #[test]
    fn a_status_without_details_gets_a_reason_and_tells_nothing_of_the_inside() {
        let failure = Failure::from_status(&Status::unavailable("tcp connect error: 10.0.0.7:5432"));
        assert_eq!((failure.reason.as_str(), failure.http_status()), ("UNAVAILABLE", 503));
        assert!(!failure.detail.contains("10.0.0.7"));
        let failure = Failure::from_status(&Status::unknown("panicked at x.rs"));
        assert_eq!((failure.detail.as_str(), failure.http_status()), (INTERNAL_DETAIL, 500));
    }
}
