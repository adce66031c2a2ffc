//! The adapter for many processes: Redis or Valkey 7 and later, one server or a cluster.
//!
//! Commands share one connection a server, which a keeper task reopens; while it is known to be closed, commands fail
//! at once. Every subscriber has connections of its own.

mod backoff;
mod commands;
mod connector;
mod link;
mod node;
mod nodes;
mod subscriber;
mod topology;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use self::commands::Commands;
use self::connector::Connector;
use self::nodes::Nodes;
use self::subscriber::RedisSubscription;
use crate::meters::{Meters, count};
use crate::{Channel, Delivery, Error, Live, Subscription, TokenBucket, TokenDecision};

/// Which Redis, and where in it.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// `redis://[user[:password]@]host[:port][/database]`; for a cluster some of its nodes, separated by commas.
    pub url: String,
    /// Whether it is a Redis Cluster.
    pub cluster: bool,
    /// Put before every key and channel name as it is, such as `godwit:`; deployments that share a Redis differ in it.
    pub key_prefix: String,
}

/// Channels, keys and buckets in Redis.
pub struct RedisLive {
    commands: Commands,
    meters: Meters,
}

impl RedisLive {
    /// Connects, and returns when the first attempt is over: a Redis that is down does not keep a process from
    /// starting. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Address`] when the URL is not one.
    pub async fn connect(options: RedisOptions) -> Result<Self, Error> {
        let connector = Connector::new(&options)?;
        let nodes = Nodes::open(connector, options.cluster).await;
        let commands = Commands::new(nodes, options.key_prefix);
        Ok(Self { commands, meters: Meters::new("redis") })
    }

    fn counted<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        outcome.inspect_err(|_| self.meters.command_failures.increment(1))
    }
}

#[async_trait]
impl Live for RedisLive {
    async fn publish(&self, messages: Vec<(Channel, Bytes)>) -> Result<(), Error> {
        let message_count = count(messages.len());
        self.meters.published.increment(message_count);
        let outcome = self.commands.publish(messages).await;
        outcome.inspect_err(|_| self.meters.publish_failures.increment(message_count))
    }

    async fn subscribe(&self, capacity: usize) -> Result<(Box<dyn Subscription>, mpsc::Receiver<Delivery>), Error> {
        let (subscription, receiver) = RedisSubscription::open(&self.commands, capacity, self.meters.clone());
        Ok((Box::new(subscription), receiver))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Error> {
        self.counted(self.commands.set(key, &value, ttl).await)
    }

    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.counted(self.commands.set_if_absent(key, &value, ttl).await)
    }

    async fn prolong(&self, key: &str, ttl: Duration) -> Result<bool, Error> {
        self.counted(self.commands.prolong(key, ttl).await)
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.counted(self.commands.get_many(keys).await)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.counted(self.commands.remove(key).await)
    }

    async fn add_to_sets(&self, keys: &[String], members: &[String], ttl: Duration) -> Result<(), Error> {
        self.counted(self.commands.add_to_sets(keys, members, ttl).await)
    }

    async fn remove_from_sets(&self, keys: &[String], members: &[String]) -> Result<Vec<u64>, Error> {
        self.counted(self.commands.remove_from_sets(keys, members).await)
    }

    async fn members_of_sets(&self, keys: &[String]) -> Result<Vec<Vec<String>>, Error> {
        self.counted(self.commands.members_of_sets(keys).await)
    }

    async fn take_token(&self, key: &str, bucket: TokenBucket) -> Result<TokenDecision, Error> {
        self.counted(self.commands.take_token(key, bucket).await)
    }

    async fn check(&self) -> Result<(), Error> {
        self.commands.check().await
    }
}
