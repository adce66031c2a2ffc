use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use godwit_rpc::Target;

use crate::Secret;

/// What every process needs, whatever services it runs.
#[derive(Args, Clone, Debug)]
pub struct CommonOptions {
    /// PostgreSQL.
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// What may be lost.
    #[command(flatten)]
    pub live: LiveOptions,
    /// The durable event stream.
    #[command(flatten)]
    pub events: EventsOptions,
    /// The internal gRPC listener.
    #[command(flatten)]
    pub grpc: GrpcOptions,
    /// The services of other processes.
    #[command(flatten)]
    pub endpoints: EndpointOptions,
    /// Logs, traces, metrics.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
    /// How the process ends.
    #[command(flatten)]
    pub lifecycle: LifecycleOptions,
}

/// Which PostgreSQL, and how much of it.
#[derive(Args, Clone, Debug)]
pub struct DatabaseOptions {
    /// PostgreSQL, such as `postgres://db.example/godwit?sslmode=verify-full`. Each schema is reached with its own
    /// login role `godwit_<schema>`, which replaces the user named here; `godwit migrate` uses the user named here.
    /// `sslmode` is disable (the default), prefer, require or verify-full; `sslrootcert` names a PEM file.
    #[arg(long = "database-url", env = "GODWIT_DATABASE_URL", value_name = "GODWIT_DATABASE_URL")]
    pub url: Option<Secret>,

    /// The password of the login roles `godwit_<schema>`.
    #[arg(
        long = "database-role-password",
        env = "GODWIT_DATABASE_ROLE_PASSWORD",
        value_name = "GODWIT_DATABASE_ROLE_PASSWORD"
    )]
    pub role_password: Option<Secret>,

    /// The most connections that one process opens for each schema.
    #[arg(
        long = "database-pool-size",
        env = "GODWIT_DATABASE_POOL_SIZE",
        value_name = "GODWIT_DATABASE_POOL_SIZE",
        default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub pool_size: u16,

    /// The longest time that one SQL statement may run, in seconds.
    #[arg(
        long = "database-statement-timeout-secs",
        env = "GODWIT_DATABASE_STATEMENT_TIMEOUT_SECS",
        value_name = "GODWIT_DATABASE_STATEMENT_TIMEOUT_SECS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    pub statement_timeout_secs: u32,
}

/// What carries live events, leases and rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LiveAdapter {
    /// Inside the process: for one process that runs everything.
    Memory,
    /// Redis 7 or Valkey, one server or a cluster.
    Redis,
}

/// Where what may be lost is kept.
#[derive(Args, Clone, Debug)]
pub struct LiveOptions {
    /// What carries live events, leases and rate limits: `memory` inside one process that runs everything, `redis`
    /// between several.
    #[arg(long = "live", env = "GODWIT_LIVE", value_name = "GODWIT_LIVE", default_value = "memory")]
    pub live: LiveAdapter,

    /// Redis, such as `redis://:password@redis.example:6379`; of a cluster some nodes, separated by commas. Needed
    /// with GODWIT_LIVE=redis.
    #[arg(long = "redis-url", env = "GODWIT_REDIS_URL", value_name = "GODWIT_REDIS_URL")]
    pub redis_url: Option<Secret>,

    /// Whether it is a Redis Cluster.
    #[arg(
        long = "redis-cluster",
        env = "GODWIT_REDIS_CLUSTER",
        value_name = "GODWIT_REDIS_CLUSTER",
        default_value_t = false,
        action = clap::ArgAction::Set
    )]
    pub redis_cluster: bool,

    /// Put before every key and channel; deployments that share a Redis differ in it.
    #[arg(
        long = "redis-key-prefix",
        env = "GODWIT_REDIS_KEY_PREFIX",
        value_name = "GODWIT_REDIS_KEY_PREFIX",
        default_value = "godwit:"
    )]
    pub redis_key_prefix: String,
}

/// What carries the durable event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EventsAdapter {
    /// The schema `events` of the database: for one machine.
    Postgres,
    /// Kafka.
    Kafka,
}

/// Where the durable event stream is.
#[derive(Args, Clone, Debug)]
pub struct EventsOptions {
    /// What carries the durable event stream: `postgres` (the schema `events`) on one machine, `kafka` on clusters.
    #[arg(long = "events", env = "GODWIT_EVENTS", value_name = "GODWIT_EVENTS", default_value = "postgres")]
    pub events: EventsAdapter,

    /// Which Kafka.
    #[command(flatten)]
    pub kafka: KafkaOptions,
}

/// Which Kafka, and how to log in.
#[derive(Args, Clone, Debug)]
pub struct KafkaOptions {
    /// Brokers to begin with, `host:port`, separated by commas. Needed with GODWIT_EVENTS=kafka.
    #[arg(
        long = "kafka-bootstrap-servers",
        env = "GODWIT_KAFKA_BOOTSTRAP_SERVERS",
        value_name = "GODWIT_KAFKA_BOOTSTRAP_SERVERS"
    )]
    pub bootstrap_servers: Option<String>,

    /// Put before the names of topics and consumer groups; deployments that share a Kafka differ in it.
    #[arg(
        long = "kafka-topic-prefix",
        env = "GODWIT_KAFKA_TOPIC_PREFIX",
        value_name = "GODWIT_KAFKA_TOPIC_PREFIX",
        default_value = ""
    )]
    pub topic_prefix: String,

    /// How many brokers keep each record, for topics that do not exist yet.
    #[arg(
        long = "kafka-replication-factor",
        env = "GODWIT_KAFKA_REPLICATION_FACTOR",
        value_name = "GODWIT_KAFKA_REPLICATION_FACTOR",
        default_value_t = 1,
        value_parser = clap::value_parser!(i32).range(1..=15)
    )]
    pub replication_factor: i32,

    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    #[arg(
        long = "kafka-security-protocol",
        env = "GODWIT_KAFKA_SECURITY_PROTOCOL",
        value_name = "GODWIT_KAFKA_SECURITY_PROTOCOL",
        default_value = "PLAINTEXT"
    )]
    pub security_protocol: String,

    /// How to log in with SASL: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    #[arg(
        long = "kafka-sasl-mechanism",
        env = "GODWIT_KAFKA_SASL_MECHANISM",
        value_name = "GODWIT_KAFKA_SASL_MECHANISM"
    )]
    pub sasl_mechanism: Option<String>,

    /// The SASL user.
    #[arg(long = "kafka-sasl-username", env = "GODWIT_KAFKA_SASL_USERNAME", value_name = "GODWIT_KAFKA_SASL_USERNAME")]
    pub sasl_username: Option<String>,

    /// The SASL password.
    #[arg(long = "kafka-sasl-password", env = "GODWIT_KAFKA_SASL_PASSWORD", value_name = "GODWIT_KAFKA_SASL_PASSWORD")]
    pub sasl_password: Option<Secret>,

    /// A PEM file with the certificate authority of the brokers.
    #[arg(long = "kafka-ssl-ca", env = "GODWIT_KAFKA_SSL_CA", value_name = "GODWIT_KAFKA_SSL_CA")]
    pub ssl_ca: Option<PathBuf>,
}

/// Where the internal gRPC listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcListen {
    /// Nowhere: every service runs in this process.
    Off,
    /// At this address; port 0 takes a free one.
    At(SocketAddr),
}

impl FromStr for GrpcListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| "neither an address such as 0.0.0.0:9090 nor off".to_owned())
    }
}

/// The internal gRPC listener and its certificates.
#[derive(Args, Clone, Debug)]
pub struct GrpcOptions {
    /// Where other Godwit services reach this process, or `off` when it runs every service itself. Never expose it:
    /// it believes who the caller is.
    #[arg(
        long = "grpc-listen",
        env = "GODWIT_GRPC_LISTEN",
        value_name = "GODWIT_GRPC_LISTEN",
        default_value = "127.0.0.1:9090"
    )]
    pub listen: GrpcListen,

    /// A PEM file with this process's certificate chain. With GODWIT_GRPC_TLS_KEY and GODWIT_GRPC_TLS_CA set, internal
    /// gRPC is mutual TLS: the listener demands a client certificate of that authority, and calls present one.
    #[arg(long = "grpc-tls-cert", env = "GODWIT_GRPC_TLS_CERT", value_name = "GODWIT_GRPC_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// A PEM file with the private key of GODWIT_GRPC_TLS_CERT.
    #[arg(long = "grpc-tls-key", env = "GODWIT_GRPC_TLS_KEY", value_name = "GODWIT_GRPC_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// A PEM file with the authority that signed the certificates of all Godwit services.
    #[arg(long = "grpc-tls-ca", env = "GODWIT_GRPC_TLS_CA", value_name = "GODWIT_GRPC_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
}

macro_rules! endpoints {
    ($($field:ident $target:ident $long:literal $env:literal $what:literal;)+) => {
        /// Where the services are that run in other processes.
        #[derive(Args, Clone, Debug)]
        pub struct EndpointOptions {
            $(
                #[doc = concat!("The ", $what, " service.")]
                #[arg(
                    long = $long,
                    env = $env,
                    value_name = $env,
                    value_delimiter = ',',
                    help = concat!(
                        "Replicas of the ", $what, " service that runs in other processes, such as \
                         `http://10.0.0.5:9090`, separated by commas; `https://` with GODWIT_GRPC_TLS_CERT"
                    )
                )]
                pub $field: Vec<String>,
            )+
        }

        impl EndpointOptions {
            /// The replicas of `target`.
            #[must_use]
            pub fn of(&self, target: Target) -> &[String] {
                match target {
                    $(Target::$target => &self.$field,)+
                }
            }

            /// Forgets every replica but this one of `target`.
            pub fn keep_only(&mut self, target: Target, url: &str) {
                $(self.$field = if target == Target::$target { vec![url.to_owned()] } else { Vec::new() };)+
            }

            /// The variable that lists the replicas of `target`.
            #[must_use]
            pub fn variable(target: Target) -> &'static str {
                match target {
                    $(Target::$target => $env,)+
                }
            }
        }
    };
}

endpoints! {
    auth Auth "auth-endpoints" "GODWIT_AUTH_ENDPOINTS" "auth";
    chat Chat "chat-endpoints" "GODWIT_CHAT_ENDPOINTS" "chat";
    message Message "message-endpoints" "GODWIT_MESSAGE_ENDPOINTS" "message";
    media Media "media-endpoints" "GODWIT_MEDIA_ENDPOINTS" "media";
    presence Presence "presence-endpoints" "GODWIT_PRESENCE_ENDPOINTS" "presence";
    call Call "call-signaling-endpoints" "GODWIT_CALL_SIGNALING_ENDPOINTS" "call-signaling";
    push Push "push-endpoints" "GODWIT_PUSH_ENDPOINTS" "push";
    search Search "search-endpoints" "GODWIT_SEARCH_ENDPOINTS" "search";
    gateway Gateway "gateway-endpoints" "GODWIT_GATEWAY_ENDPOINTS" "gateway";
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// For a person at a terminal.
    Pretty,
}

/// Logs, traces, metrics.
#[derive(Args, Clone, Debug)]
pub struct TelemetryOptions {
    /// What is logged, such as `info` or `warn,godwit_message=debug` (the syntax of tracing's `EnvFilter`).
    #[arg(
        long = "log",
        env = "GODWIT_LOG",
        value_name = "GODWIT_LOG",
        default_value = "info,actix_server=warn,openraft=warn"
    )]
    pub log: String,

    /// How log lines look.
    #[arg(long = "log-format", env = "GODWIT_LOG_FORMAT", value_name = "GODWIT_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// Where traces are sent by OTLP over gRPC, such as `http://otel-collector:4317`. Without it no traces are made.
    /// Sampling follows `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    #[arg(
        long = "otel-exporter-otlp-endpoint",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    )]
    pub otlp_endpoint: Option<String>,

    /// Where `/metrics`, `/health/live` and `/health/ready` are served; port 0 takes a free one.
    #[arg(
        long = "admin-listen",
        env = "GODWIT_ADMIN_LISTEN",
        value_name = "GODWIT_ADMIN_LISTEN",
        default_value = "127.0.0.1:9464"
    )]
    pub admin_listen: SocketAddr,
}

/// How a process ends.
#[derive(Args, Clone, Debug)]
pub struct LifecycleOptions {
    /// How long a process goes on serving after SIGTERM while it already says that it is not ready, in seconds, so
    /// that load balancers notice first.
    #[arg(
        long = "shutdown-delay-secs",
        env = "GODWIT_SHUTDOWN_DELAY_SECS",
        value_name = "GODWIT_SHUTDOWN_DELAY_SECS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(..=300)
    )]
    pub shutdown_delay_secs: u32,

    /// How long requests and tasks may take to finish after that, in seconds; then they are cut off.
    #[arg(
        long = "shutdown-grace-secs",
        env = "GODWIT_SHUTDOWN_GRACE_SECS",
        value_name = "GODWIT_SHUTDOWN_GRACE_SECS",
        default_value_t = 25,
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    pub shutdown_grace_secs: u32,
}

impl LifecycleOptions {
    /// How long the process keeps serving while it is not ready any more.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_secs(self.shutdown_delay_secs.into())
    }

    /// How long the rest may take.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_secs.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_do_not_clash() {
        CommonOptions::augment_args(clap::Command::new("test")).debug_assert();
    }
}
