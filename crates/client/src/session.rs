//! The session of this client: its tokens, and who may refresh them when.

use std::fmt;
use std::sync::Arc;

use godwit_contract::auth::v1::{RefreshRequest, RefreshResponse, Tokens};
use godwit_contract::v1::User;
use godwit_kernel::Clock;
use time::{Duration, OffsetDateTime};
use tokio::sync::{Mutex, watch};
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::http::{Http, encode};

/// An access token is renewed when it has no longer to live than this.
pub(crate) const RENEW_BEFORE: Duration = Duration::seconds(60);

/// What a device keeps to stay logged in. Store it whenever it changes: a refresh token works once, and a used one
/// ends the session.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Session {
    /// The session's id.
    pub session_id: String,
    /// Who is logged in.
    pub user_id: String,
    /// Proves it to the server until `access_token_expires_at`.
    pub access_token: String,
    /// When the access token ends.
    #[serde(with = "time::serde::rfc3339")]
    pub access_token_expires_at: OffsetDateTime,
    /// Gets the next tokens, once.
    pub refresh_token: String,
}

/// Tokens never reach a log.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("session_id", &self.session_id)
            .field("user_id", &self.user_id)
            .field("access_token_expires_at", &self.access_token_expires_at)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Of the answer to a login, or to its second factor.
    pub(crate) fn from_parts(tokens: Option<&Tokens>, user: Option<&User>) -> Option<Self> {
        Self::from_tokens(tokens?.clone(), user?.id.clone())
    }

    fn from_tokens(tokens: Tokens, user_id: String) -> Option<Self> {
        let expires_at = tokens.access_token_expires_at?;
        Some(Self {
            session_id: tokens.session_id,
            user_id,
            access_token: tokens.access_token,
            access_token_expires_at: OffsetDateTime::from_unix_timestamp(expires_at.seconds).ok()?,
            refresh_token: tokens.refresh_token,
        })
    }
}

/// Keeps the session and lets one refresh run at a time.
pub(crate) struct Sessions {
    http: Arc<Http>,
    clock: Arc<dyn Clock>,
    current: watch::Sender<Option<Session>>,
    refreshing: Arc<Mutex<()>>,
    tasks: TaskTracker,
}

impl Sessions {
    pub(crate) fn new(http: Arc<Http>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        Self { http, clock, current: watch::Sender::new(None), refreshing: Arc::default(), tasks }
    }

    pub(crate) fn current(&self) -> Option<Session> {
        self.current.borrow().clone()
    }

    pub(crate) fn set(&self, session: Option<Session>) {
        self.current.send_replace(session);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Session>> {
        self.current.subscribe()
    }

    /// An access token that is good for a while yet.
    pub(crate) async fn access_token(self: &Arc<Self>) -> Result<String, Error> {
        match self.current() {
            None => Err(Error::LoggedOut),
            Some(session) if self.is_fresh(&session) => Ok(session.access_token),
            Some(session) => self.renew(session.access_token).await,
        }
    }

    /// Another access token than `stale`, which the server refused or which is about to end. However many callers
    /// ask at once, one refresh is made.
    pub(crate) async fn renew(self: &Arc<Self>, stale: String) -> Result<String, Error> {
        let turn = Arc::clone(&self.refreshing).lock_owned().await;
        let Some(session) = self.current() else { return Err(Error::LoggedOut) };
        if session.access_token != stale {
            return Ok(session.access_token);
        }
        // A task of its own, which keeps the turn: were the refresh cancelled with its caller, the answer's tokens
        // would be lost, the next caller would use the refresh token again, and the server would end the session.
        let this = Arc::clone(self);
        let refresh = self.tasks.spawn(async move {
            let result = this.refresh(session).await;
            drop(turn);
            result
        });
        refresh.await.unwrap_or(Err(Error::Closed))
    }

    fn is_fresh(&self, session: &Session) -> bool {
        self.clock.now() + RENEW_BEFORE < session.access_token_expires_at
    }

    async fn refresh(&self, session: Session) -> Result<String, Error> {
        let target = self.http.post(&["auth", "refresh"]);
        let body = encode(&RefreshRequest { refresh_token: session.refresh_token.clone() })?;
        let answer: Result<RefreshResponse, Error> = self.http.call(&target, Some(&body), None).await;
        let tokens = match answer {
            Ok(answer) => answer.tokens,
            Err(Error::Refused(problem)) if matches!(problem.status, 400 | 401 | 403 | 404) => {
                tracing::info!(reason = problem.reason, "the session is over");
                self.forget(&session);
                return Err(Error::LoggedOut);
            }
            Err(error) => return Err(error),
        };
        let renewed = tokens.and_then(|tokens| Session::from_tokens(tokens, session.user_id.clone()));
        let Some(renewed) = renewed else {
            // The old refresh token is used up and no new one came.
            self.forget(&session);
            return Err(Error::LoggedOut);
        };
        let token = renewed.access_token.clone();
        // Unless somebody logged out or in meanwhile.
        self.current.send_if_modified(|current| {
            let ours = current.as_ref() == Some(&session);
            if ours {
                *current = Some(renewed);
            }
            ours
        });
        Ok(token)
    }

    fn forget(&self, session: &Session) {
        self.current.send_if_modified(|current| {
            let ours = current.as_ref() == Some(session);
            if ours {
                *current = None;
            }
            ours
        });
    }
}
