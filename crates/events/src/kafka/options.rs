use std::time::Duration;

/// How to reach a Kafka cluster, and the limits kept there.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// Put before the names of topics and groups, so that several deployments can share a cluster; may be empty.
    pub topic_prefix: String,
    /// How many brokers hold a topic that is created here.
    pub replication_factor: i32,
    /// How long a publication may take, waiting for a place in the queue included.
    pub publish_timeout: Duration,
    /// How many records may be on their way out.
    pub queued_records_max: u32,
    /// How many kibibytes may be on their way out.
    pub queued_kibibytes_max: u32,
    /// After this silence the cluster gives a consumer's partitions to others.
    pub session_timeout: Duration,
    /// A member that finds no coordinator of its group for so long, though a broker answers, is replaced by a new one.
    pub rejoin_after: Duration,
    /// How long the first record of a batch waits for more.
    pub fill_wait: Duration,
    /// How many kibibytes a consumer fetches ahead of what is handled.
    pub prefetch_kibibytes_max: u32,
    /// Further librdkafka properties, such as `security.protocol`, `sasl.mechanism`, `ssl.ca.location`.
    /// They win over what is set here.
    pub properties: Vec<(String, String)>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            topic_prefix: String::new(),
            replication_factor: 1,
            publish_timeout: Duration::from_secs(10),
            queued_records_max: 50_000,
            queued_kibibytes_max: 32 * 1024,
            session_timeout: Duration::from_secs(30),
            rejoin_after: Duration::from_secs(30),
            fill_wait: Duration::from_millis(25),
            prefetch_kibibytes_max: 16 * 1024,
            properties: Vec::new(),
        }
    }
}
