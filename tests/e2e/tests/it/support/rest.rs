use std::fmt;

use bytes::Bytes;
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// REST calls to one gateway, as one caller or as nobody.
#[derive(Clone)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Rest {
    /// Calls without authorization.
    pub fn open(gateway: &str) -> Self {
        Self { http: godwit_testkit::http_client(), base: gateway.to_owned(), token: None }
    }

    /// The same gateway with this access token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same caller at another gateway.
    pub fn at(&self, gateway: &str) -> Self {
        Self { base: gateway.to_owned(), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    /// A DELETE that must prove who asks.
    pub async fn delete_with(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::DELETE, path).json(&body)).await
    }

    /// A call whose connection may fail: `None` when there was no answer.
    pub async fn try_post(&self, path: &str, body: Value) -> Option<Answer> {
        try_send(self.request(Method::POST, path).json(&body)).await
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// Sends a request that must be answered.
pub async fn send(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("the gateway answers");
    Answer::read(answer).await.expect("the answer is complete")
}

/// Sends a request whose connection may fail: `None` when there was no whole answer.
pub async fn try_send(request: RequestBuilder) -> Option<Answer> {
    Answer::read(request.send().await.ok()?).await.ok()
}

/// What a REST call was answered.
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub body: Bytes,
}

impl Answer {
    async fn read(answer: reqwest::Response) -> reqwest::Result<Self> {
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        Ok(Self {
            status: answer.status().as_u16(),
            content_type: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            body: answer.bytes().await?,
        })
    }

    /// The message of a 200.
    #[track_caller]
    pub fn ok<T: DeserializeOwned>(&self) -> T {
        self.message(200)
    }

    /// The message of a 201: something was made, or is there from the same request before.
    #[track_caller]
    pub fn created<T: DeserializeOwned>(&self) -> T {
        self.message(201)
    }

    #[track_caller]
    fn message<T: DeserializeOwned>(&self, status: u16) -> T {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.content_type.starts_with("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether a client should try again: 503 and 504 while a part is away, 429 under load. They come as problems.
    #[track_caller]
    pub fn is_temporary(&self) -> bool {
        if [429, 503, 504].contains(&self.status) {
            self.problem(self.status);
            return true;
        }
        false
    }

    /// The reason of a problem (RFC 9457) with this status. Every member that the contract promises is checked.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.content_type.starts_with("application/problem+json"), "{self:?}");
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "detail", "reason", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {problem}");
        }
        let reason = problem["reason"].as_str().unwrap_or_default();
        assert!(
            reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'),
            "{problem}"
        );
        reason.to_owned()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.status, self.content_type, String::from_utf8_lossy(&self.body))
    }
}
