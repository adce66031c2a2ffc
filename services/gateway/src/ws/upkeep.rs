use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use godwit_kernel::UserId;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::edge::Edge;
use crate::identity::Authenticator;

/// How often something is forgotten that is over.
const EVERY: Duration = Duration::from_secs(15);
/// How often the keys are fetched anew.
const KEYS_EVERY_ROUNDS: u32 = 20;
/// After a part was not there.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Users who are looked at again at the same time.
const CONCURRENCY: usize = 8;

/// Finds out what the gateway was not told.
pub struct Upkeep {
    hub: Arc<Hub>,
    authenticator: Arc<Authenticator>,
}

impl Upkeep {
    pub fn new(edge: &Edge) -> Self {
        Self { hub: Arc::clone(&edge.hub), authenticator: Arc::clone(&edge.authenticator) }
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
            self.hub.forget_past();
            unchecked = self.recheck(unchecked).await;
            if rounds.is_multiple_of(KEYS_EVERY_ROUNDS) {
                self.authenticator.refresh_keys().await;
            }
            rounds = rounds.wrapping_add(1);
            let pause = if unchecked.is_empty() { EVERY } else { RETRY_AFTER };
            tokio::select! {
                () = self.hub.interrupted.notified() => {
                    unchecked.extend(self.hub.unchecked_users());
                    unchecked.sort_unstable();
                    unchecked.dedup();
                }
                () = tokio::time::sleep(pause) => {}
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
