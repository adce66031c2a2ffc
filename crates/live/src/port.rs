use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{Channel, Error};

/// The port to what may be lost.
#[async_trait]
pub trait Live: Send + Sync + 'static {
    /// Sends payloads to whoever listens now, in order within a channel, in one round trip.
    ///
    /// # Errors
    /// When some may not have been sent. Callers go on: clients repair themselves by sync.
    async fn publish(&self, messages: Vec<(Channel, Bytes)>) -> Result<(), Error>;

    /// Opens a subscriber with a queue of `capacity` deliveries. When the queue is full, deliveries are dropped and
    /// one [`Delivery::Interrupted`] takes their place.
    ///
    /// # Errors
    /// When none can be opened.
    async fn subscribe(&self, capacity: usize) -> Result<(Box<dyn Subscription>, mpsc::Receiver<Delivery>), Error>;

    /// Sets a key until `ttl` has passed, whatever it was.
    ///
    /// # Errors
    /// When the store is not reachable; likewise for all below.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Error>;

    /// Sets a key until `ttl` has passed if it is not set, and tells whether it did.
    ///
    /// # Errors
    /// When the store is not reachable.
    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error>;

    /// Gives a key or set another time to live if it is set, and tells whether it was. What has ended stays ended: a
    /// lease that was prolonged was never free in between.
    ///
    /// # Errors
    /// When the store is not reachable.
    async fn prolong(&self, key: &str, ttl: Duration) -> Result<bool, Error>;

    /// The values of keys, in the order asked; `None` for what is not set.
    ///
    /// # Errors
    /// When the store is not reachable.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error>;

    /// Forgets a key.
    ///
    /// # Errors
    /// When the store is not reachable.
    async fn remove(&self, key: &str) -> Result<(), Error>;

    /// Adds members to each of some sets, which end when `ttl` has passed since the last addition.
    ///
    /// # Errors
    /// When the store is not reachable; some sets may have been changed. Likewise for the two below.
    async fn add_to_sets(&self, keys: &[String], members: &[String], ttl: Duration) -> Result<(), Error>;

    /// Takes members from each of some sets, and tells how many remain in each.
    ///
    /// # Errors
    /// When the store is not reachable.
    async fn remove_from_sets(&self, keys: &[String], members: &[String]) -> Result<Vec<u64>, Error>;

    /// The members of each of some sets, in the order asked; none of what is not set.
    ///
    /// # Errors
    /// When the store is not reachable.
    async fn members_of_sets(&self, keys: &[String]) -> Result<Vec<Vec<String>>, Error>;

    /// Takes one token from the bucket named `key`.
    ///
    /// # Errors
    /// When the store is not reachable; the caller falls back to a bucket of its own.
    async fn take_token(&self, key: &str, bucket: TokenBucket) -> Result<TokenDecision, Error>;

    /// Whether the store answers now, for readiness and `doctor`.
    ///
    /// # Errors
    /// When it does not.
    async fn check(&self) -> Result<(), Error>;
}

/// Which channels a subscriber listens to. Dropping it ends the listening.
#[async_trait]
pub trait Subscription: Send + Sync {
    /// Listens to these channels as well; on return, what is published later is delivered.
    ///
    /// # Errors
    /// When the store is not reachable now; the channels are kept and listened to as soon as it is, after
    /// a [`Delivery::Interrupted`].
    async fn add(&self, channels: &[Channel]) -> Result<(), Error>;

    /// Stops listening to these channels.
    ///
    /// # Errors
    /// When the store is not reachable now; the channels are forgotten all the same.
    async fn remove(&self, channels: &[Channel]) -> Result<(), Error>;
}

/// What a subscriber receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Something was published.
    Message {
        /// Where.
        channel: Channel,
        /// What.
        payload: Bytes,
    },
    /// Deliveries may have been lost: the link was down or the queue full. Listening goes on.
    Interrupted,
}

/// The size and speed of a token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenBucket {
    /// The most tokens it holds; it starts full.
    pub capacity: u32,
    /// Tokens added a second.
    pub refill_per_sec: f64,
}

/// What the bucket said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TokenDecision {
    /// Go on.
    Taken {
        /// Tokens left.
        remaining: u32,
    },
    /// Come again.
    Empty {
        /// When there is a token again.
        retry_after: Duration,
    },
}
