//! One REST call: build, send, read with limits, decode the answer or the problem.

use std::time::Duration;

use godwit_contract::json;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{Error, Problem};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer: a sync page of 1,000 updates stays well below it.
const ANSWER_BYTES: usize = 32 * 1024 * 1024;
const USER_AGENT: &str = concat!("godwit-client/", env!("CARGO_PKG_VERSION"));

/// The HTTP side of a server.
pub(crate) struct Http {
    client: reqwest::Client,
    base: Url,
}

/// Where a call goes.
pub(crate) struct Target {
    method: Method,
    url: Url,
}

impl Target {
    /// With this query parameter.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// With this query parameter, unless it is empty, which means: the default.
    pub(crate) fn query_unless_empty(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.query(name, value) }
    }

    /// With this query parameter, unless it is 0, which means: the default.
    pub(crate) fn query_unless_zero(self, name: &str, value: u64) -> Self {
        if value == 0 { self } else { self.query(name, &value.to_string()) }
    }
}

impl Http {
    pub(crate) fn new(base: Url, timeout: Duration) -> Result<Self, Error> {
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(Error::InvalidUrl);
        }
        // An error says that the process has a provider already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            // No route of the contract redirects, and a token must not follow one.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Error::Setup)?;
        Ok(Self { client, base })
    }

    /// The URL of a path, whose segments are percent-encoded here.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Fails only for a URL that cannot be a base, which `new` refused.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    pub(crate) fn get(&self, segments: &[&str]) -> Target {
        Target { method: Method::GET, url: self.url(segments) }
    }

    pub(crate) fn post(&self, segments: &[&str]) -> Target {
        Target { method: Method::POST, url: self.url(segments) }
    }

    pub(crate) fn put(&self, segments: &[&str]) -> Target {
        Target { method: Method::PUT, url: self.url(segments) }
    }

    pub(crate) fn patch(&self, segments: &[&str]) -> Target {
        Target { method: Method::PATCH, url: self.url(segments) }
    }

    pub(crate) fn delete(&self, segments: &[&str]) -> Target {
        Target { method: Method::DELETE, url: self.url(segments) }
    }

    /// Calls once.
    pub(crate) async fn call<Answer: DeserializeOwned + prost::Name>(
        &self,
        target: &Target,
        body: Option<&[u8]>,
        token: Option<&str>,
    ) -> Result<Answer, Error> {
        let mut request =
            self.client.request(target.method.clone(), target.url.clone()).header(ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_vec());
        }
        let mut response = request.send().await.map_err(Error::Unreachable)?;
        let status = response.status();
        let body = read(&mut response).await?;
        if status.is_success() {
            return json::read(&body).map_err(|source| Error::Undecodable { status: status.as_u16(), source });
        }
        Err(Error::Refused(Box::new(problem(&response, &body))))
    }
}

/// A request body.
pub(crate) fn encode<Body: Serialize>(body: &Body) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|source| Error::Undecodable { status: 0, source })
}

async fn read(response: &mut Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Error::Unreachable)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(Error::AnswerTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The parts of an RFC 9457 document that clients act on. A proxy's error page has none of them.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Document {
    detail: String,
    reason: String,
    request_id: String,
    retry_after_secs: Option<u64>,
    errors: Vec<DocumentField>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct DocumentField {
    field: String,
    detail: String,
}

fn problem(response: &Response, body: &[u8]) -> Problem {
    let document: Document = serde_json::from_slice(body).unwrap_or_default();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Problem {
        status: response.status().as_u16(),
        reason: document.reason,
        detail: document.detail,
        fields: document.errors.into_iter().map(|error| (error.field, error.detail)).collect(),
        retry_after: document.retry_after_secs.or(retry_after).map(Duration::from_secs),
        request_id: document.request_id,
    }
}
