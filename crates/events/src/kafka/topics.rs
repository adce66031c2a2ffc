use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::Instant;

use super::{KafkaOptions, client};
use crate::Error;
use crate::topics::Topic;

const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failure nobody asks the cluster again for this long: callers would queue for the same answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often the cluster is asked whether it knows a created topic.
const SEEN_PAUSE: Duration = Duration::from_millis(50);

struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(reason, error = &error as &dyn std::error::Error, "kafka admin client");
    }
}

/// Makes sure that topics exist, asking the cluster once for each.
pub(super) struct Topics {
    admin: Arc<AdminClient<Context>>,
    prefix: String,
    replication_factor: i32,
    known: Mutex<HashSet<&'static str>>,
    /// Held while the cluster is asked; the instant of the last failure.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

impl Topics {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, Error> {
        Ok(Self {
            admin: Arc::new(client::create(client::base(options), options, Context)?),
            prefix: options.topic_prefix.clone(),
            replication_factor: options.replication_factor,
            known: Mutex::new(HashSet::new()),
            asking: tokio::sync::Mutex::new(None),
        })
    }

    pub(super) async fn ensure(&self, topics: &[&'static Topic]) -> Result<(), Error> {
        if self.unknown(topics).is_empty() {
            return Ok(());
        }
        let mut failed_at = self.asking.lock().await;
        let missing = self.unknown(topics);
        if missing.is_empty() {
            return Ok(());
        }
        if failed_at.is_some_and(|at| at.elapsed() < RETRY_AFTER) {
            return Err(Error::unavailable("the cluster did not answer a moment ago"));
        }
        let outcome = self.create_absent(&missing).await;
        *failed_at = outcome.is_err().then(Instant::now);
        outcome
    }

    /// Whether the cluster answers.
    pub(super) async fn check(&self) -> Result<(), Error> {
        self.existing().await.map(|_names| ())
    }

    fn unknown(&self, topics: &[&'static Topic]) -> Vec<&'static Topic> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        topics.iter().filter(|topic| !known.contains(topic.name)).copied().collect()
    }

    async fn create_absent(&self, topics: &[&'static Topic]) -> Result<(), Error> {
        // Looking first lets a client without the right to create work on topics that exist.
        let absent = self.absent(topics).await?;
        if !absent.is_empty() {
            self.create(&absent).await?;
            self.wait_until_seen(&absent).await?;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(topics.iter().map(|topic| topic.name));
        Ok(())
    }

    async fn absent(&self, topics: &[&'static Topic]) -> Result<Vec<&'static Topic>, Error> {
        let existing = self.existing().await?;
        Ok(topics.iter().filter(|topic| !existing.contains(&self.full_name(topic))).copied().collect())
    }

    /// A topic is created a moment before the brokers tell of it; who subscribed meanwhile would miss it for a while.
    async fn wait_until_seen(&self, topics: &[&'static Topic]) -> Result<(), Error> {
        let deadline = Instant::now() + ADMIN_TIMEOUT;
        while !self.absent(topics).await?.is_empty() {
            if Instant::now() >= deadline {
                return Err(Error::unavailable("the cluster does not know the created topics yet"));
            }
            tokio::time::sleep(SEEN_PAUSE).await;
        }
        Ok(())
    }

    async fn create(&self, topics: &[&'static Topic]) -> Result<(), Error> {
        let names: Vec<String> = topics.iter().map(|topic| self.full_name(topic)).collect();
        let retentions: Vec<String> = topics.iter().map(|topic| topic.retention_ms.to_string()).collect();
        // With three copies and more, a record is durable only when it is on two.
        let in_sync = if self.replication_factor >= 3 { "2" } else { "1" };
        let new: Vec<NewTopic<'_>> = std::iter::zip(topics, std::iter::zip(&names, &retentions))
            .map(|(topic, (name, retention_ms))| {
                NewTopic::new(name, topic.partitions, TopicReplication::Fixed(self.replication_factor))
                    .set("retention.ms", retention_ms)
                    .set("min.insync.replicas", in_sync)
            })
            .collect();
        let options = AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT)).operation_timeout(Some(ADMIN_TIMEOUT));
        for result in self.admin.create_topics(&new, &options).await.map_err(client::error_of)? {
            match result {
                Ok(name) => tracing::info!(topic = name, "created a topic"),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    tracing::error!(topic = name, %code, "a topic cannot be created");
                    return Err(client::error_of(KafkaError::AdminOp(code)));
                }
            }
        }
        Ok(())
    }

    async fn existing(&self) -> Result<HashSet<String>, Error> {
        let admin = Arc::clone(&self.admin);
        let ask = move || {
            let metadata = admin.inner().fetch_metadata(None, ADMIN_TIMEOUT)?;
            let usable = metadata.topics().iter().filter(|topic| topic.error().is_none());
            Ok::<_, KafkaError>(usable.map(|topic| topic.name().to_owned()).collect())
        };
        let answered = tokio::task::spawn_blocking(ask).await.map_err(Error::unavailable)?;
        answered.map_err(client::error_of)
    }

    fn full_name(&self, topic: &Topic) -> String {
        format!("{}{}", self.prefix, topic.name)
    }
}
