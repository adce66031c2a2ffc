//! The one exit: every answer of REST and every problem leaves here.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder};
use godwit_contract::rest::RestRoute;
use godwit_kernel::limits::MEDIA_BYTES;
use godwit_rpc::{Failure, FieldViolation};
use rest_over_grpc::transcoding::TranscodeResponse;
use tonic::{Code, Status};

use crate::Error;
use crate::limits::Quota;

/// The header that names the request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// draft-ietf-httpapi-ratelimit-headers-10.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What a request of REST comes to.
pub struct Answer {
    /// Names the request in logs and problems.
    pub request_id: String,
    /// JSON with its status, or why not.
    pub outcome: Result<Success, Problem>,
    /// What the request was counted with, if it was.
    pub quota: Option<Quota>,
}

/// A JSON document.
pub struct Success {
    pub status: StatusCode,
    pub json: Vec<u8>,
}

impl Success {
    /// The document that the transcoder made for a call of `route`.
    ///
    /// # Errors
    /// A service's refusal, which came with its gRPC status; without one, the transcoder could not read the request.
    pub fn of_transcoder(answer: Option<TranscodeResponse>, route: &RestRoute) -> Result<Self, Problem> {
        let Some(TranscodeResponse::Unary(answer)) = answer else {
            return Err(Problem::route_not_found());
        };
        if answer.status().is_success() {
            let status = if route.is_creating { StatusCode::CREATED } else { StatusCode::OK };
            return Ok(Self { status, json: answer.into_body() });
        }
        if let Some(status) = Status::from_header_map(answer.headers()) {
            return Err(status.into());
        }
        let told: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let message = told.get("message").and_then(|message| message.as_str()).unwrap_or_default();
        if answer.status().is_server_error() {
            tracing::error!(message, "an answer cannot be written as JSON");
            return Err(Status::new(Code::Internal, "").into());
        }
        Err(Problem::unreadable(message))
    }
}

/// A refusal or failure as HTTP tells it (RFC 9457).
#[derive(Debug)]
pub struct Problem {
    failure: Failure,
    /// Where HTTP tells apart what gRPC does not.
    status: Option<StatusCode>,
    allow: Option<String>,
}

impl Problem {
    /// No path of ours.
    pub fn route_not_found() -> Self {
        Failure::new(Code::NotFound, "ROUTE_NOT_FOUND", "There is nothing at this path.").into()
    }

    /// A path of ours, but with other methods.
    pub fn method_not_allowed(allow: String) -> Self {
        let detail = format!("This path takes {allow}.");
        let problem = Self::with_status(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &detail);
        Self { allow: Some(allow), ..problem }
    }

    /// The body is over the limit.
    pub fn body_too_large(limit_bytes: usize) -> Self {
        let detail = format!("The body may have {limit_bytes} bytes.");
        Self::with_status(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", &detail)
    }

    /// The body is no form with a file.
    pub fn malformed_form(detail: &str) -> Self {
        Failure::new(Code::InvalidArgument, "FORM_MALFORMED", detail).into()
    }

    /// The file is larger than any may be.
    pub fn file_too_large() -> Self {
        let detail = format!("A file may have {MEDIA_BYTES} bytes.");
        Self::with_status(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", &detail)
    }

    /// The body's length is not told.
    pub fn length_required() -> Self {
        Self::with_status(StatusCode::LENGTH_REQUIRED, "LENGTH_REQUIRED", "The Content-Length is needed.")
    }

    /// The body did not come in time.
    pub fn body_timeout() -> Self {
        Self::with_status(StatusCode::REQUEST_TIMEOUT, "BODY_TIMEOUT", "The body did not arrive in time.")
    }

    /// The body broke off.
    pub fn body_broken() -> Self {
        Failure::new(Code::InvalidArgument, "BODY_BROKEN", "The body is not complete.").into()
    }

    /// The `Content-Digest` is none.
    pub fn malformed_digest() -> Self {
        let detail = "The Content-Digest must be as RFC 9530 says, such as sha-256=:<base64>:.";
        Failure::new(Code::InvalidArgument, "CONTENT_DIGEST_MALFORMED", detail).into()
    }

    /// The body is not what its `Content-Digest` says.
    pub fn digest_mismatch() -> Self {
        let detail = "The body has another checksum than its Content-Digest: send it again.";
        Failure::new(Code::InvalidArgument, "CONTENT_DIGEST_MISMATCH", detail).into()
    }

    /// The path is for WebSockets.
    pub fn upgrade_required() -> Self {
        Self::with_status(StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", "This path is for WebSockets.")
    }

    /// The request could not be read as its message, as the transcoder put it.
    pub fn unreadable(told: &str) -> Self {
        let (reason, detail) = match told.split_once(": ") {
            Some(("invalid request body JSON", detail)) => ("MALFORMED_JSON", detail),
            Some((_, detail)) => ("INVALID_ARGUMENT", detail),
            None => ("INVALID_ARGUMENT", told),
        };
        let mut failure = Failure::new(Code::InvalidArgument, reason, detail);
        // A typing error is found more easily when it is named; newer clients find out what an older server lacks.
        let unknown = detail.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`'));
        if let Some((field, _)) = unknown {
            failure
                .fields
                .push(FieldViolation { field: field.to_owned(), problem: "there is no such field".to_owned() });
        }
        failure.into()
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
            .or_else(|| StatusCode::from_u16(self.failure.http_status()).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The whole answer.
    pub fn respond(&self, request_id: &str) -> HttpResponse<BoxBody> {
        let status = self.status();
        let mut response = start(status, PROBLEM_JSON, request_id);
        if let Some(secs) = self.failure.retry_after_secs() {
            response.insert_header((RETRY_AFTER, secs));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((ALLOW, allow.as_str()));
        }
        match status {
            // RFC 6750, section 3.
            StatusCode::UNAUTHORIZED => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            StatusCode::UPGRADE_REQUIRED => {
                response.insert_header(("upgrade", "websocket"));
            }
            _ => {}
        }
        response.body(self.failure.to_problem_as(status.as_u16(), request_id).to_string())
    }

    fn with_status(status: StatusCode, reason: &str, detail: &str) -> Self {
        let failure = Failure::new(Code::InvalidArgument, reason, detail);
        Self { failure, status: Some(status), allow: None }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self { failure, status: None, allow: None }
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        Failure::from_status(&status).into()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<BoxBody> {
        let mut response = match self.outcome {
            Ok(Success { status, json }) => start(status, JSON, &self.request_id).body(json),
            Err(problem) => problem.respond(&self.request_id),
        };
        if let Some(quota) = self.quota {
            for (name, value) in [(RATE_LIMIT_POLICY, quota.policy()), (RATE_LIMIT, quota.state())] {
                if let Ok(value) = HeaderValue::try_from(value) {
                    response.headers_mut().insert(name, value);
                }
            }
        }
        response
    }
}

fn start(status: StatusCode, content_type: HeaderValue, request_id: &str) -> HttpResponseBuilder {
    let mut response = HttpResponseBuilder::new(status);
    response.insert_header((CONTENT_TYPE, content_type));
    response.insert_header((CACHE_CONTROL, NO_STORE));
    response.insert_header((REQUEST_ID, request_id));
    response
}
