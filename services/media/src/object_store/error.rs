use http::StatusCode;
use reqwest::Response;
use rusty_s3::BucketError;

/// How much of an error body is read for its code.
const BODY_BYTES: usize = 4 * 1024;

/// Why a client of an object store cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The access lacks a part.
    #[error("{0} of the object store is not set")]
    Missing(&'static str),
    /// The URL or the bucket's name cannot be used.
    #[error("the URL of the object store or the name of the bucket cannot be used")]
    Url(#[source] BucketError),
    /// The HTTP client cannot be made.
    #[error("the HTTP client of the object store cannot be made")]
    Http(#[source] reqwest::Error),
}

/// Why an object store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer came.
    #[error("the object store cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It answered that it would not.
    #[error("{request}: the object store answered {status} {code}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// The status of the answer.
        status: StatusCode,
        /// The S3 error code of the answer, such as `AccessDenied`; empty when there is none.
        code: String,
    },
    /// The answer to a HEAD request tells no size.
    #[error("the object store tells no size")]
    NoContentLength,
    /// The answer is not what S3 says it is.
    #[error("{0}: the answer of the object store cannot be read")]
    Malformed(&'static str),
}

impl Error {
    /// Whether it may work later without anybody changing anything.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            // AWS answers 400 with this code when a body came too slowly.
            Self::Refused { code, .. } if code == "RequestTimeout" => true,
            Self::Refused { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::NoContentLength | Self::Malformed(_) => false,
        }
    }

    /// Whether what was asked for was not done for sure. An answer that was lost, or an error of a server behind others,
    /// does not tell.
    pub fn is_surely_undone(&self) -> bool {
        match self {
            Self::Unreachable(error) => error.is_connect(),
            Self::Refused { status, .. } => status.is_client_error() || *status == StatusCode::SERVICE_UNAVAILABLE,
            Self::NoContentLength | Self::Malformed(_) => false,
        }
    }

    pub(super) async fn refused(request: &'static str, mut response: Response) -> Self {
        let status = response.status();
        let mut body = Vec::new();
        while body.len() < BODY_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
        Self::Refused { request, status, code: error_code(&String::from_utf8_lossy(&body)).to_owned() }
    }
}

/// The `<Code>` of an S3 error document; a log needs no more of it.
pub(super) fn error_code(body: &str) -> &str {
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    match code {
        Some((code, _)) if code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) => code,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_document_is_found() {
        let body = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>x</Message></Error>";
        assert_eq!(error_code(body), "NoSuchBucket");
    }

    #[test]
    fn another_document_has_no_code() {
        for body in ["", "<html>502</html>", "<Code>", "<Code>a b\n</Code>"] {
            assert_eq!(error_code(body), "", "{body}");
        }
    }
}
