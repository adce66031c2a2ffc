use std::collections::HashSet;
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
/// Users who are looked at again at the same time: one for each so many, so that many users are not kept waiting long, within
/// bounds that leave the chat service to others.
const USERS_PER_LOOK: usize = 64;
const LOOKS_MIN: usize = 8;
const LOOKS_MAX: usize = 128;

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
        // Side by side: what takes long keeps nothing else waiting.
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.forget() => {}
            () = self.fetch_keys() => {}
            () = self.recheck() => {}
        }
        Ok(())
    }

    async fn forget(&self) {
        loop {
            self.hub.forget_past();
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn fetch_keys(&self) {
        loop {
            let pause = if self.authenticator.refresh_keys().await { EVERY * KEYS_EVERY_ROUNDS } else { RETRY_AFTER };
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks again at what users may see, whenever some of it may have been missed.
    async fn recheck(&self) {
        // Who was told to sync because this takes long.
        let mut told = HashSet::new();
        loop {
            let unchecked = self.hub.unchecked_users();
            if unchecked.is_empty() {
                told.clear();
                self.hub.interrupted.notified().await;
                continue;
            }
            let failed = self.look_at(unchecked).await;
            if failed.is_empty() {
                continue;
            }
            for user in failed {
                self.hub.doubt(user);
                if told.insert(user) {
                    self.hub.tell_of_interruption(user);
                }
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// Gives the users for whom it failed.
    async fn look_at(&self, users: Vec<UserId>) -> Vec<UserId> {
        let looks = (users.len() / USERS_PER_LOOK).clamp(LOOKS_MIN, LOOKS_MAX);
        let failed = Mutex::new(Vec::new());
        stream::iter(users)
            .for_each_concurrent(looks, |user| {
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
