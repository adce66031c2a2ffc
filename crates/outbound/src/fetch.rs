use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use crate::client::{ClientOptions, client};
use crate::gate::Gate;

/// Where a fetch ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From its begin to its end, redirects included.
    pub timeout: Duration,
    /// What is taken of a body; the rest is not read.
    pub body_bytes_max: usize,
    /// Redirects that are followed.
    pub redirects_max: usize,
}

/// What was found at an address, or its beginning.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where the last redirect led.
    pub url: Url,
    /// As the server names it; empty when it does not.
    pub content_type: String,
    /// At most [`Limits::body_bytes_max`].
    pub body: Bytes,
}

/// Why nothing was fetched. No text of it names the address or comes from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address, or one that it redirects to, is not one of http or https within reach.
    #[error("the address is not within reach")]
    NotAllowed,
    /// More redirects than are followed, or one that leads nowhere.
    #[error("too many redirects")]
    Redirects,
    /// Another type than was asked for.
    #[error("the page is of another type")]
    OtherType,
    /// The server answered with this status.
    #[error("the server answered {0}")]
    Status(u16),
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// No connection, or one that broke.
    #[error("the server cannot be reached")]
    Unreachable,
}

/// Reads pages at addresses that strangers choose.
#[derive(Clone, Debug)]
pub struct Fetcher {
    gate: Gate,
    http: reqwest::Client,
    limits: Limits,
}

impl Fetcher {
    /// Within what the gate lets through, and limits.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(gate: Gate, limits: Limits, user_agent: &'static str) -> Result<Self, reqwest::Error> {
        let (timeout, connect_timeout) = (limits.timeout, limits.timeout);
        let options = ClientOptions { timeout, connect_timeout, user_agent, idle_per_host_max: 0 };
        let http = client(&gate, options)?;
        Ok(Self { gate, http, limits })
    }

    /// Gets what is at an address, when it is of this type, such as `text/html`.
    ///
    /// # Errors
    /// Why nothing was fetched.
    pub async fn get(&self, url: &Url, media_type: &str) -> Result<Page, FetchError> {
        timeout(self.limits.timeout, self.follow(url.clone(), media_type)).await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn follow(&self, mut url: Url, media_type: &str) -> Result<Page, FetchError> {
        for _ in 0..=self.limits.redirects_max {
            if !self.admits(&url) {
                return Err(FetchError::NotAllowed);
            }
            let answer = self.http.get(url.clone()).header(ACCEPT, media_type).send().await.map_err(failure)?;
            let status = answer.status();
            if !is_redirect(status) {
                return if status.is_success() { self.read(url, answer, media_type).await } else { refused(status) };
            }
            let target = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = target.and_then(|target| url.join(target).ok()).ok_or(FetchError::Redirects)?;
        }
        Err(FetchError::Redirects)
    }

    fn admits(&self, url: &Url) -> bool {
        let is_web = matches!(url.scheme(), "http" | "https");
        is_web && url.username().is_empty() && url.password().is_none() && self.gate.admits_host(url)
    }

    async fn read(&self, url: Url, mut answer: Response, media_type: &str) -> Result<Page, FetchError> {
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let content_type = header(CONTENT_TYPE).to_owned();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        // No encoding was asked for, so that what is read is what comes over the wire.
        if !essence.eq_ignore_ascii_case(media_type) || !matches!(header(CONTENT_ENCODING), "" | "identity") {
            return Err(FetchError::OtherType);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failure)? {
            let room = self.limits.body_bytes_max - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() == self.limits.body_bytes_max {
                break;
            }
        }
        Ok(Page { url, content_type, body: body.freeze() })
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

const fn refused(status: StatusCode) -> Result<Page, FetchError> {
    Err(FetchError::Status(status.as_u16()))
}

fn failure(error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::TimedOut;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(this) = cause {
        if matches!(this.downcast_ref(), Some(crate::LookupError::Private)) {
            return FetchError::NotAllowed;
        }
        cause = this.source();
    }
    FetchError::Unreachable
}
