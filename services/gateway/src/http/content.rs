//! The content of a request that is too large to be held, and what its `Content-Digest` (RFC 9530) says of it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::error::PayloadError;
use actix_web::http::header::HeaderMap;
use actix_web::web::Payload;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::Stream;
use sha2::{Digest as _, Sha256};

use super::Problem;

const CONTENT_DIGEST: &str = "content-digest";

/// A SHA-256 checksum.
pub type Checksum = [u8; 32];

/// The content of a request as it comes. Clones read on where another has read to: who takes a form out of it does not
/// give it back.
#[derive(Clone)]
pub struct Content(Rc<RefCell<Reading>>);

struct Reading {
    payload: Payload,
    announced: Option<Announced>,
}

struct Announced {
    checksum: Checksum,
    found: Sha256,
}

impl Content {
    /// What comes with these headers.
    ///
    /// # Errors
    /// When they announce a checksum that cannot be read.
    pub fn new(headers: &HeaderMap, payload: Payload) -> Result<Self, Problem> {
        let announced = announced(headers)?.map(|checksum| Announced { checksum, found: Sha256::new() });
        Ok(Self(Rc::new(RefCell::new(Reading { payload, announced }))))
    }

    /// Whether there is a checksum to compare all of it with.
    pub fn has_checksum(&self) -> bool {
        self.0.borrow().announced.is_some()
    }

    /// Compares what was read, to its end, with what was announced.
    ///
    /// # Errors
    /// When they differ.
    pub fn verify(&self) -> Result<(), Problem> {
        let Some(Announced { checksum, found }) = self.0.borrow_mut().announced.take() else { return Ok(()) };
        if checksum == Checksum::from(found.finalize()) { Ok(()) } else { Err(Problem::digest_mismatch()) }
    }
}

impl Stream for Content {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut reading = self.0.borrow_mut();
        let polled = Pin::new(&mut reading.payload).poll_next(context);
        if let (Poll::Ready(Some(Ok(chunk))), Some(announced)) = (&polled, &mut reading.announced) {
            announced.found.update(chunk);
        }
        polled
    }
}

/// The SHA-256 checksum of a `Content-Digest`: a dictionary of byte sequences (RFC 8941). Other algorithms are passed
/// over, as the RFC allows; of one that is named twice the last counts.
fn announced(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let mut announced = None;
    for line in headers.get_all(CONTENT_DIGEST) {
        let line = line.to_str().map_err(|_| Problem::malformed_digest())?;
        for member in line.split(',') {
            let (algorithm, digest) = member_of(member).ok_or_else(Problem::malformed_digest)?;
            if algorithm == "sha-256" {
                let checksum = Checksum::try_from(digest).map_err(|_| Problem::malformed_digest())?;
                announced = Some(checksum);
            }
        }
    }
    Ok(announced)
}

/// The name of an algorithm and its digest.
fn member_of(member: &str) -> Option<(&str, Vec<u8>)> {
    let (algorithm, value) = member.trim_matches([' ', '\t']).split_once('=')?;
    let digest = value.strip_prefix(':')?.strip_suffix(':')?;
    Some((algorithm, STANDARD.decode(digest).ok()?))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn read(lines: &[&str]) -> Option<Option<Checksum>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(CONTENT_DIGEST), HeaderValue::from_str(line).unwrap());
        }
        announced(&headers).ok()
    }

    #[test]
    fn a_content_digest_is_read() {
        // RFC 9530, appendix B.1: of `{"hello": "world"}` and a line feed.
        let digest = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        let checksum = Checksum::from(Sha256::digest(b"{\"hello\": \"world\"}\n"));
        assert_eq!(read(&[digest]), Some(Some(checksum)));
        assert_eq!(read(&["sha-512=:AAAA:,", digest]), None, "an empty member");
        assert_eq!(read(&["sha-512=:AAAA:", digest]), Some(Some(checksum)));
        assert_eq!(read(&[&format!("unixsum=:AAAA:, \t{digest}")]), Some(Some(checksum)));
        assert_eq!(read(&["sha-512=:AAAA:"]), Some(None));
        assert_eq!(read(&[]), Some(None));
    }

    #[test]
    fn what_is_no_content_digest_is_refused() {
        for malformed in [
            "",
            "sha-256",
            "sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=",
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=",
            "sha-256=:RK/0qy18:",
            "sha-256=:44aff4ab2d7c3250525675a08f0cfa9591168cffe51791c5f5bbc417c15a6c38:",
            "sha-256=:not base64:",
        ] {
            assert_eq!(read(&[malformed]), None, "{malformed:?}");
        }
    }
}
