use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use rdkafka::producer::future_producer::{DeliveryFuture, FutureProducer};
use tokio::time::{Instant, sleep, timeout_at};

use super::{KafkaOptions, client};
use crate::{Error, Headers, NewRecord};

/// How long records wait for others to share a request.
const LINGER_MS: &str = "10";
/// How often a full queue is tried again.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(10);
/// Delivery reports come a little after librdkafka gave a record up.
const REPORT_SLACK: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(reason, error = &error as &dyn std::error::Error, "kafka producer");
    }
}

pub(super) struct Producer {
    producer: FutureProducer<Context>,
    prefix: String,
    timeout: Duration,
}

impl Producer {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, Error> {
        let mut config = client::base(options);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", LINGER_MS)
            // As the Java clients do it, so that any tool finds a key's partition.
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", options.publish_timeout.as_millis().to_string())
            .set("queue.buffering.max.messages", options.queued_records_max.to_string())
            .set("queue.buffering.max.kbytes", options.queued_kibibytes_max.to_string());
        Ok(Self {
            producer: client::create(config, options, Context)?,
            prefix: options.topic_prefix.clone(),
            timeout: options.publish_timeout,
        })
    }

    /// Sends records in their order and waits until all are durable.
    pub(super) async fn send(&self, records: &[NewRecord]) -> Result<(), Error> {
        let deadline = Instant::now() + self.timeout;
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            deliveries.push(self.enqueue(record, deadline).await?);
        }
        for delivery in deliveries {
            let report = timeout_at(deadline + self.timeout + REPORT_SLACK, delivery)
                .await
                .map_err(Error::unavailable)?
                .map_err(Error::unavailable)?;
            report.map_err(|(error, _message)| client::error_of(error))?;
        }
        Ok(())
    }

    /// Puts a record into librdkafka's queue; a full queue is waited for until `deadline`.
    async fn enqueue(&self, record: &NewRecord, deadline: Instant) -> Result<DeliveryFuture, Error> {
        let topic = format!("{}{}", self.prefix, record.topic.name);
        let mut message = FutureRecord::<[u8], [u8]>::to(&topic)
            .key(&record.key)
            .payload(&record.payload)
            .headers(headers_of(&record.headers));
        loop {
            match self.producer.send_result(message) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    if Instant::now() >= deadline {
                        return Err(Error::Overloaded);
                    }
                    message = refused;
                    sleep(QUEUE_FULL_PAUSE).await;
                }
                Err((error, _)) => return Err(client::error_of(error)),
            }
        }
    }
}

fn headers_of(headers: &Headers) -> OwnedHeaders {
    headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |owned, (key, value)| {
        owned.insert(Header { key, value: Some(value.as_bytes()) })
    })
}
