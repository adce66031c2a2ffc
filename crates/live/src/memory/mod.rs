//! The adapter for one process: nothing leaves it, and nothing survives it.

mod keys;
mod subscribers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use self::keys::Keys;
use self::subscribers::{MemorySubscription, Subscribers};
use crate::meters::{Meters, count};
use crate::outlet::Outlet;
use crate::{Channel, Delivery, Error, Live, Subscription, TokenBucket, TokenDecision};

/// Channels, keys and buckets of this process.
pub struct MemoryLive {
    subscribers: Arc<Subscribers>,
    keys: Mutex<Keys>,
    meters: Meters,
}

impl MemoryLive {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let meters = Meters::new("memory");
        Self { subscribers: Arc::default(), keys: Mutex::default(), meters }
    }

    fn on_keys<T>(&self, command: impl FnOnce(&mut Keys) -> Result<T, Error>) -> Result<T, Error> {
        command(&mut self.keys.lock()).inspect_err(|_| self.meters.command_failures.increment(1))
    }
}

impl Default for MemoryLive {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Live for MemoryLive {
    async fn publish(&self, messages: Vec<(Channel, Bytes)>) -> Result<(), Error> {
        self.meters.published.increment(count(messages.len()));
        self.subscribers.publish(messages);
        Ok(())
    }

    async fn subscribe(&self, capacity: usize) -> Result<(Box<dyn Subscription>, mpsc::Receiver<Delivery>), Error> {
        let (outlet, receiver) = Outlet::new(capacity, self.meters.clone());
        let subscription = MemorySubscription::new(self.subscribers.clone(), outlet, self.meters.clone());
        Ok((Box::new(subscription), receiver))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Error> {
        self.on_keys(|keys| keys.set(key, value, ttl))
    }

    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.on_keys(|keys| keys.set_if_absent(key, value, ttl))
    }

    async fn prolong(&self, key: &str, ttl: Duration) -> Result<bool, Error> {
        self.on_keys(|keys| Ok(keys.prolong(key, ttl)))
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.on_keys(|stored| Ok(keys.iter().map(|key| stored.get(key)).collect()))
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.on_keys(|keys| {
            keys.remove(key);
            Ok(())
        })
    }

    async fn add_to_sets(&self, keys: &[String], members: &[String], ttl: Duration) -> Result<(), Error> {
        self.on_keys(|stored| keys.iter().try_for_each(|key| stored.add_to_set(key, members, ttl)))
    }

    async fn remove_from_sets(&self, keys: &[String], members: &[String]) -> Result<Vec<u64>, Error> {
        self.on_keys(|stored| keys.iter().map(|key| stored.remove_from_set(key, members)).collect())
    }

    async fn members_of_sets(&self, keys: &[String]) -> Result<Vec<Vec<String>>, Error> {
        self.on_keys(|stored| keys.iter().map(|key| stored.set_members(key)).collect())
    }

    async fn take_token(&self, key: &str, bucket: TokenBucket) -> Result<TokenDecision, Error> {
        self.on_keys(|keys| keys.take_token(key, bucket))
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
