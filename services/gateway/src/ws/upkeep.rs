use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use godwit_kernel::UserId;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::clients::Services;
use crate::edge::Edge;
use crate::identity::Authenticator;

/// How often ended sessions are asked for, beside what the live channels say: nothing tells of a message that was
/// published while Redis was down.
const REVOCATIONS_EVERY: Duration = Duration::from_secs(15);
const KEYS_EVERY_ROUNDS: u32 = 20;
/// After a part was not there.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Users who are looked at again at the same time.
const CONCURRENCY: usize = 8;

/// Finds out what the gateway was not told.
pub struct Upkeep {
    hub: Arc<Hub>,
    services: Services,
    authenticator: Arc<Authenticator>,
}

impl Upkeep {
    pub fn new(edge: &Edge) -> Self {
        let authenticator = Arc::clone(&edge.authenticator);
        Self { hub: Arc::clone(&edge.hub), services: edge.services.clone(), authenticator }
    }

    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep_up() => {}
        }
        Ok(())
    }

    async fn keep_up(&self) {
        let mut unchecked: Vec<UserId> = Vec::new();
        let mut rounds: u32 = 0;
        loop {
            let knows_revocations = self.reload_revocations().await;
            unchecked = self.recheck(unchecked).await;
            if rounds.is_multiple_of(KEYS_EVERY_ROUNDS) {
                self.authenticator.refresh_keys().await;
            }
            rounds = rounds.wrapping_add(1);
            let pause = if knows_revocations && unchecked.is_empty() { REVOCATIONS_EVERY } else { RETRY_AFTER };
            tokio::select! {
                () = self.hub.interrupted.notified() => unchecked = self.hub.users(),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Whether it is known which sessions have ended.
    async fn reload_revocations(&self) -> bool {
        self.hub.purge_revocations();
        match self.services.revoked_sessions().await {
            Ok(sessions) => {
                for session in sessions {
                    self.hub.revoke(session);
                }
                true
            }
            Err(status) => {
                tracing::debug!(code = ?status.code(), "ended sessions cannot be listed now");
                false
            }
        }
    }

    /// Looks again at what users may see, and gives those for whom that failed.
    async fn recheck(&self, users: Vec<UserId>) -> Vec<UserId> {
        let failed = Mutex::new(Vec::new());
        stream::iter(users)
            .for_each_concurrent(CONCURRENCY, |user| {
                let failed = &failed;
                async move {
                    if self.hub.recheck(user).await.is_err() {
                        failed.lock().push(user);
                    }
                }
            })
            .await;
        failed.into_inner()
    }
}
