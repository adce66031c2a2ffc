use std::sync::Arc;

use godwit_kernel::{Clock, Entropy};
use reqwest::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::connection::{self, Connection, Events};
use crate::error::Error;
use crate::http::{Http, Target, encode};
use crate::options::{ConnectOptions, Options};
use crate::session::{Session, Sessions};

/// One device of one person at one server. Cheap to clone; clones share the session.
///
/// The methods named after routes call the REST interface once and answer with the contract's messages; a call whose
/// token the server refuses is repeated once with a renewed one.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: Arc<Http>,
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tasks: TaskTracker,
}

impl Client {
    /// A client without a session. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] unless the base URL is an http or https address; [`Error::Setup`].
    pub fn new(options: Options) -> Result<Self, Error> {
        let http = Arc::new(Http::new(options.base_url, options.timeout)?);
        let tasks = TaskTracker::new();
        let sessions = Arc::new(Sessions::new(Arc::clone(&http), Arc::clone(&options.clock), tasks.clone()));
        let inner = Inner { http, sessions, clock: options.clock, entropy: options.entropy, tasks };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The session, if there is one.
    pub fn session(&self) -> Option<Session> {
        self.inner.sessions.current()
    }

    /// Continues a session that was stored, or forgets the one there is.
    pub fn set_session(&self, session: Option<Session>) {
        self.inner.sessions.set(session);
    }

    /// The session as it changes: by login, with every renewal of its tokens, and to `None` when it is over.
    pub fn watch_session(&self) -> watch::Receiver<Option<Session>> {
        self.inner.sessions.watch()
    }

    /// An access token with at least a minute to live.
    ///
    /// # Errors
    /// [`Error::LoggedOut`] without a session; what a refresh can fail with.
    pub async fn access_token(&self) -> Result<String, Error> {
        self.inner.sessions.access_token().await
    }

    /// Another access token than `stale`, which the server refused.
    ///
    /// # Errors
    /// [`Error::LoggedOut`] when the session is over; what a refresh can fail with.
    pub async fn renew_access_token(&self, stale: String) -> Result<String, Error> {
        self.inner.sessions.renew(stale).await
    }

    /// Opens a connection that stays until its last clone is dropped: it connects, and connects again whenever it is
    /// lost. Must be called within a Tokio runtime.
    pub fn connect(&self, options: ConnectOptions) -> (Connection, Events) {
        connection::open(self.clone(), options)
    }

    /// The WebSocket address of all of the user's events.
    pub(crate) fn socket_url(&self) -> Url {
        let mut url = self.inner.http.url(&["ws", "me"]);
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // Cannot fail: all four are special schemes, which may replace each other.
        let _ = url.set_scheme(scheme);
        url
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.inner.clock.as_ref()
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        self.inner.entropy.as_ref()
    }

    pub(crate) fn shared_entropy(&self) -> Arc<dyn Entropy> {
        Arc::clone(&self.inner.entropy)
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    pub(crate) fn http(&self) -> &Http {
        &self.inner.http
    }

    /// Calls a route that needs no session.
    pub(crate) async fn open_call<Body: Serialize, Answer: DeserializeOwned + prost::Name>(
        &self,
        target: Target,
        body: &Body,
    ) -> Result<Answer, Error> {
        self.http().call(&target, Some(&encode(body)?), None).await
    }

    /// Calls a route with a body.
    pub(crate) async fn call_with<Body: Serialize, Answer: DeserializeOwned + prost::Name>(
        &self,
        target: Target,
        body: &Body,
    ) -> Result<Answer, Error> {
        let body = encode(body)?;
        self.authorized(target, Some(&body)).await
    }

    /// Calls a route without a body.
    pub(crate) async fn call<Answer: DeserializeOwned + prost::Name>(&self, target: Target) -> Result<Answer, Error> {
        self.authorized(target, None).await
    }

    async fn authorized<Answer: DeserializeOwned + prost::Name>(
        &self,
        target: Target,
        body: Option<&[u8]>,
    ) -> Result<Answer, Error> {
        let token = self.access_token().await?;
        match self.http().call(&target, body, Some(&token)).await {
            Err(Error::Refused(problem)) if problem.status == StatusCode::UNAUTHORIZED.as_u16() => {
                let token = self.renew_access_token(token).await?;
                self.http().call(&target, body, Some(&token)).await
            }
            result => result,
        }
    }
}
