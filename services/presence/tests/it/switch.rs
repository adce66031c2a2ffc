use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_live::{Channel, Delivery, Error, Live, Subscription, TokenBucket, TokenDecision};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// A live that a test can take away, and bring back with or without what it held.
pub struct Switch {
    live: Mutex<Option<Arc<dyn Live>>>,
}

impl Switch {
    pub fn to(live: Arc<dyn Live>) -> Self {
        Self { live: Mutex::new(Some(live)) }
    }

    pub fn set(&self, live: Option<Arc<dyn Live>>) -> Option<Arc<dyn Live>> {
        std::mem::replace(&mut *self.live.lock(), live)
    }

    fn live(&self) -> Result<Arc<dyn Live>, Error> {
        self.live.lock().clone().ok_or(Error::KnownDown)
    }
}

#[tonic::async_trait]
impl Live for Switch {
    async fn publish(&self, messages: Vec<(Channel, Bytes)>) -> Result<(), Error> {
        self.live()?.publish(messages).await
    }

    async fn subscribe(&self, capacity: usize) -> Result<(Box<dyn Subscription>, mpsc::Receiver<Delivery>), Error> {
        self.live()?.subscribe(capacity).await
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Error> {
        self.live()?.set(key, value, ttl).await
    }

    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.live()?.set_if_absent(key, value, ttl).await
    }

    async fn prolong(&self, key: &str, ttl: Duration) -> Result<bool, Error> {
        self.live()?.prolong(key, ttl).await
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.live()?.get_many(keys).await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.live()?.remove(key).await
    }

    async fn add_to_sets(&self, keys: &[String], members: &[String], ttl: Duration) -> Result<(), Error> {
        self.live()?.add_to_sets(keys, members, ttl).await
    }

    async fn remove_from_sets(&self, keys: &[String], members: &[String]) -> Result<Vec<u64>, Error> {
        self.live()?.remove_from_sets(keys, members).await
    }

    async fn members_of_sets(&self, keys: &[String]) -> Result<Vec<Vec<String>>, Error> {
        self.live()?.members_of_sets(keys).await
    }

    async fn take_token(&self, key: &str, bucket: TokenBucket) -> Result<TokenDecision, Error> {
        self.live()?.take_token(key, bucket).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.live()?.check().await
    }
}
