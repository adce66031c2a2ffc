use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use godwit_live::memory::MemoryLive;
use godwit_live::{Channel, Delivery, Error, Live, Subscription, TokenBucket, TokenDecision};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The memory adapter, with links that a test can break.
#[derive(Default)]
pub struct TestLive {
    inner: MemoryLive,
    links: Mutex<Vec<mpsc::Sender<Delivery>>>,
    forwarders: Mutex<JoinSet<()>>,
    /// Another store for the tokens.
    tokens: Mutex<Option<Arc<dyn Live>>>,
    /// How often it was asked for one.
    pub token_asks: AtomicUsize,
}

impl TestLive {
    /// Has limits counted by another store.
    pub fn count_by(&self, store: Arc<dyn Live>) {
        *self.tokens.lock() = Some(store);
    }

    /// As if the link to the store had been down for a moment.
    pub async fn interrupt(&self) {
        let links = self.links.lock().clone();
        for link in links {
            link.send(Delivery::Interrupted).await.unwrap();
        }
    }
}

#[async_trait]
impl Live for TestLive {
    async fn subscribe(&self, capacity: usize) -> Result<(Box<dyn Subscription>, mpsc::Receiver<Delivery>), Error> {
        let (subscription, mut from) = self.inner.subscribe(capacity).await?;
        let (to, deliveries) = mpsc::channel(capacity);
        self.links.lock().push(to.clone());
        self.forwarders.lock().spawn(async move {
            while let Some(delivery) = from.recv().await {
                if to.send(delivery).await.is_err() {
                    return;
                }
            }
        });
        Ok((subscription, deliveries))
    }

    async fn publish(&self, messages: Vec<(Channel, Bytes)>) -> Result<(), Error> {
        self.inner.publish(messages).await
    }
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Error> {
        self.inner.set(key, value, ttl).await
    }
    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.inner.set_if_absent(key, value, ttl).await
    }
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.inner.get_many(keys).await
    }
    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.inner.remove(key).await
    }
    async fn prolong(&self, key: &str, ttl: Duration) -> Result<bool, Error> {
        self.inner.prolong(key, ttl).await
    }
    async fn add_to_sets(&self, keys: &[String], members: &[String], ttl: Duration) -> Result<(), Error> {
        self.inner.add_to_sets(keys, members, ttl).await
    }
    async fn remove_from_sets(&self, keys: &[String], members: &[String]) -> Result<Vec<u64>, Error> {
        self.inner.remove_from_sets(keys, members).await
    }
    async fn members_of_sets(&self, keys: &[String]) -> Result<Vec<Vec<String>>, Error> {
        self.inner.members_of_sets(keys).await
    }
    async fn take_token(&self, key: &str, bucket: TokenBucket) -> Result<TokenDecision, Error> {
        self.token_asks.fetch_add(1, Ordering::Relaxed);
        let store = self.tokens.lock().clone();
        match store {
            Some(store) => store.take_token(key, bucket).await,
            None => self.inner.take_token(key, bucket).await,
        }
    }
    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }
}
