use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use godwit_events::EventLog;
use godwit_events::kafka::{KafkaLog, KafkaOptions};
use godwit_events::postgres::PostgresLog;
use godwit_kernel::{Clock, Entropy, SystemClock, SystemEntropy};
use godwit_live::Live;
use godwit_live::memory::MemoryLive;
use godwit_live::redis::{RedisLive, RedisOptions};
use godwit_pg::{Pool, PoolOptions, Schema};
use godwit_rpc::Directory;
use parking_lot::Mutex;

use crate::options::{
    CommonOptions, DatabaseOptions, DatabaseUrls, EventsAdapter, EventsOptions, LiveAdapter, LiveOptions, databases,
};
use crate::{GrpcRoutes, Health, Tasks, Weight};

/// What a service is built on. Clones share everything.
#[derive(Clone)]
pub struct Platform {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness fit for secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Where every task is started.
    pub tasks: Tasks,
    /// Where a service adds its gRPC services.
    pub grpc: GrpcRoutes,
    /// How other services are called.
    pub directory: Directory,
    /// What may be lost.
    pub live: Arc<dyn Live>,
    /// The durable event stream.
    pub events: Arc<dyn EventLog>,
    /// The checks that readiness depends on.
    pub health: Health,
    databases: Databases,
}

impl Platform {
    /// The platform that the options describe. Nothing need be reachable yet.
    ///
    /// # Errors
    /// When options contradict each other or a URL is wrong; the error names the variable.
    pub async fn open(options: &CommonOptions, urls: DatabaseUrls, directory: Directory) -> anyhow::Result<Self> {
        let health = Health::new();
        let databases = Databases::new(options.database.clone(), urls, health.clone());
        let live = open_live(&options.live).await?;
        let events = open_events(&options.events, &databases)?;
        register(&health, "live", Weight::Degrades, &live, |live| async move { Ok(live.check().await?) });
        register(&health, "events", Weight::Degrades, &events, |events| async move { Ok(events.check().await?) });
        Ok(Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            tasks: Tasks::new(),
            grpc: GrpcRoutes::new(),
            directory,
            live,
            events,
            health,
            databases,
        })
    }

    /// The connections of the schema's login role. Every call for a schema gives the same pool, and the first adds
    /// the database to the checks that readiness depends on.
    ///
    /// # Errors
    /// When no database is configured or its URL is wrong; the error names the variable.
    pub fn database(&self, schema: &Schema) -> anyhow::Result<Pool> {
        self.databases.pool(schema)
    }
}

fn register<T, F, Fut>(health: &Health, name: &str, weight: Weight, part: &Arc<T>, check: F)
where
    T: ?Sized + Send + Sync + 'static,
    F: Fn(Arc<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let part = Arc::clone(part);
    health.register(name, weight, move || check(Arc::clone(&part)));
}

async fn open_live(options: &LiveOptions) -> anyhow::Result<Arc<dyn Live>> {
    match options.live {
        LiveAdapter::Memory => Ok(Arc::new(MemoryLive::new())),
        LiveAdapter::Redis => {
            let url = options.redis_url.as_ref().context("GODWIT_LIVE=redis needs GODWIT_REDIS_URL")?;
            let redis = RedisOptions {
                url: url.expose().to_owned(),
                cluster: options.redis_cluster,
                key_prefix: options.redis_key_prefix.clone(),
            };
            Ok(Arc::new(RedisLive::connect(redis).await.context("GODWIT_REDIS_URL cannot be used")?))
        }
    }
}

fn open_events(options: &EventsOptions, databases: &Databases) -> anyhow::Result<Arc<dyn EventLog>> {
    match options.events {
        EventsAdapter::Postgres => Ok(Arc::new(PostgresLog::new(databases.pool(&godwit_events::postgres::SCHEMA)?))),
        EventsAdapter::Kafka => {
            let kafka = kafka_options(&options.kafka)?;
            Ok(Arc::new(KafkaLog::new(kafka).context("GODWIT_KAFKA_*: the options cannot be used")?))
        }
    }
}

fn kafka_options(options: &crate::options::KafkaOptions) -> anyhow::Result<KafkaOptions> {
    let bootstrap_servers =
        options.bootstrap_servers.clone().context("GODWIT_EVENTS=kafka needs GODWIT_KAFKA_BOOTSTRAP_SERVERS")?;
    let optional = [
        ("sasl.mechanism", options.sasl_mechanism.clone()),
        ("sasl.username", options.sasl_username.clone()),
        ("sasl.password", options.sasl_password.as_ref().map(|secret| secret.expose().to_owned())),
        ("ssl.ca.location", options.ssl_ca.as_ref().map(|path| path.display().to_string())),
    ];
    let mut properties = vec![("security.protocol".to_owned(), options.security_protocol.to_ascii_lowercase())];
    for (name, value) in optional {
        properties.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(KafkaOptions {
        bootstrap_servers,
        topic_prefix: options.topic_prefix.clone(),
        replication_factor: options.replication_factor,
        properties,
        ..KafkaOptions::default()
    })
}

/// The pools of the process, one a schema.
#[derive(Clone)]
struct Databases {
    shared: Arc<DatabasesShared>,
}

struct DatabasesShared {
    options: DatabaseOptions,
    urls: DatabaseUrls,
    health: Health,
    pools: Mutex<BTreeMap<&'static str, Pool>>,
}

impl Databases {
    fn new(options: DatabaseOptions, urls: DatabaseUrls, health: Health) -> Self {
        Self { shared: Arc::new(DatabasesShared { options, urls, health, pools: Mutex::default() }) }
    }

    fn pool(&self, schema: &Schema) -> anyhow::Result<Pool> {
        let mut pools = self.shared.pools.lock();
        if let Some(pool) = pools.get(schema.name) {
            return Ok(pool.clone());
        }
        let (variable, url) = schema_url(&self.shared.options, &self.shared.urls, schema)?;
        let options = PoolOptions {
            max_size: self.shared.options.pool_size.into(),
            statement_timeout: Duration::from_secs(self.shared.options.statement_timeout_secs.into()),
            ..PoolOptions::default()
        };
        let pool = Pool::connect(&url, options).with_context(|| format!("{variable} cannot be used"))?;
        pools.insert(schema.name, pool.clone());
        let checked = Arc::new(pool.clone());
        let name = format!("database {}", schema.name);
        register(&self.shared.health, &name, Weight::Required, &checked, |pool| async move { Ok(pool.check().await?) });
        Ok(pool)
    }
}

/// The variable that says where `schema` is, and the URL with which its role logs in there.
///
/// # Errors
/// When a variable is missing or wrong; the error names it.
pub fn schema_url(options: &DatabaseOptions, urls: &DatabaseUrls, schema: &Schema) -> anyhow::Result<(String, String)> {
    let variable = databases::variable(schema.name);
    if let Some(url) = urls.get(schema) {
        return Ok((variable, url.expose().to_owned()));
    }
    let base = options.url.as_ref().with_context(|| format!("GODWIT_DATABASE_URL (or {variable}) is not set"))?;
    let password = options.role_password.as_ref().context("GODWIT_DATABASE_ROLE_PASSWORD is not set")?;
    let url =
        godwit_pg::role_url(base.expose(), schema, password.expose()).context("GODWIT_DATABASE_URL cannot be used")?;
    Ok(("GODWIT_DATABASE_URL".to_owned(), url))
}
