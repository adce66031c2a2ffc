use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::sleep_until;

use super::token::PublicKey;
use crate::Error;
use crate::clients::Services;

/// Keys are not fetched again within this time because a token names one that is unknown: made-up tokens must not
/// become calls.
const PAUSE: Duration = Duration::from_secs(5);
/// The same after a fetch that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// The keys of auth, fetched when a token names one that is not known.
pub struct KeyRing {
    services: Services,
    known: RwLock<HashMap<String, PublicKey>>,
    /// Held while keys are fetched, so that one fetch serves all who wait.
    fetch: Mutex<Option<Fetch>>,
}

struct Fetch {
    ended_at: Instant,
    has_failed: bool,
}

impl Fetch {
    fn is_recent(&self) -> bool {
        let pause = if self.has_failed { PAUSE_AFTER_FAILURE } else { PAUSE };
        self.ended_at.elapsed() < pause
    }
}

impl KeyRing {
    /// A ring without keys.
    pub fn new(services: Services) -> Self {
        Self { services, known: RwLock::default(), fetch: Mutex::new(None) }
    }

    /// The key with this id. When auth could not be asked a moment ago, waits until it may be asked again: it may just have
    /// come up.
    ///
    /// # Errors
    /// When auth has no such key, or cannot be asked.
    pub async fn get(&self, id: &str) -> Result<PublicKey, Error> {
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        let asked_at = Instant::now();
        let mut fetch = self.fetch.lock().await;
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        match fetch.as_ref().filter(|last| last.is_recent()) {
            Some(last) if !last.has_failed || last.ended_at > asked_at => {}
            last => {
                if let Some(last) = last {
                    sleep_until((last.ended_at + PAUSE_AFTER_FAILURE).into()).await;
                }
                *fetch = Some(self.fetch().await);
            }
        }
        match (self.known(id), &*fetch) {
            (Some(key), _) => Ok(key),
            (None, Some(Fetch { has_failed: true, .. })) => Err(Error::KeysUnavailable),
            (None, _) => Err(Error::TokenInvalid),
        }
    }

    /// Fetches the keys anew; tells whether that succeeded.
    pub async fn refresh(&self) -> bool {
        let mut fetch = self.fetch.lock().await;
        let fetched = self.fetch().await;
        let has_failed = fetched.has_failed;
        *fetch = Some(fetched);
        !has_failed
    }

    fn known(&self, id: &str) -> Option<PublicKey> {
        self.known.read().get(id).cloned()
    }

    async fn fetch(&self) -> Fetch {
        let fetched = self.services.token_keys().await;
        metrics::counter!("gateway_key_fetches_total", "ok" => if fetched.is_ok() { "true" } else { "false" })
            .increment(1);
        let has_failed = match fetched {
            Ok(keys) => {
                let keys = keys.into_iter().filter_map(|key| {
                    let parsed = PublicKey::try_from(key.paserk.as_str());
                    parsed
                        .inspect_err(|_| tracing::error!(key.id = key.id, "a token key is none"))
                        .ok()
                        .map(|k| (key.id, k))
                });
                *self.known.write() = keys.collect();
                false
            }
            Err(status) => {
                tracing::warn!(code = ?status.code(), "the token keys cannot be fetched");
                true
            }
        };
        Fetch { ended_at: Instant::now(), has_failed }
    }
}
