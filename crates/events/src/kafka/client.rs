//! What producer, consumer and admin client have in common.

use rdkafka::ClientConfig;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::KafkaOptions;
use crate::Error;

/// Properties of every client; the caller's own are applied last, by [`create`].
pub(super) fn base(options: &KafkaOptions) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.bootstrap_servers)
        .set("client.id", "godwit")
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "5000");
    config
}

pub(super) fn create<T, C>(mut config: ClientConfig, options: &KafkaOptions, context: C) -> Result<T, Error>
where
    T: FromClientConfigAndContext<C>,
    C: rdkafka::ClientContext,
{
    for (name, value) in &options.properties {
        config.set(name, value);
    }
    config.create_with_context(context).map_err(|error| Error::Configuration(error.into()))
}

/// librdkafka's own log lines; what needs a person comes back as an error from a call as well.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::warn!(facility, message, "librdkafka");
        }
        _ => tracing::debug!(facility, message, "librdkafka"),
    }
}

pub(super) fn error_of(error: KafkaError) -> Error {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => Error::Overloaded,
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::InvalidConfig,
        ) => Error::Refused(error.into()),
        _ => Error::unavailable(error),
    }
}
