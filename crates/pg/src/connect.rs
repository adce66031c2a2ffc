use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;
use crate::tls;
use crate::url::{self, TlsMode};

/// How long the network and the server's greeting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How soon a silent peer is probed, and how long sent bytes may stay unacknowledged before the connection is dead.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(15);

/// The limits that the server applies to a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLimits {
    /// The longest time one statement may run; zero for no limit.
    pub statement: Duration,
    /// The longest time a statement may wait for a lock; zero for no limit.
    pub lock: Duration,
    /// The longest time a transaction may be open with no statement running; zero for no limit.
    pub idle_in_transaction: Duration,
}

/// Makes connections to one database as one role.
pub(crate) struct Connector {
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    setup: String,
}

impl Connector {
    /// Reads `url`; nothing is connected yet.
    pub fn new(url: &str, limits: SessionLimits) -> Result<Self, Error> {
        let parsed = url::parse(url)?;
        let tls = tls::client_config(&parsed)?.map(MakeRustlsConnect::new);
        let mut config = parsed.config;
        config.ssl_mode(match parsed.tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyFull => SslMode::Require,
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name(config.get_user().unwrap_or("godwit").to_owned());
        }
        config.keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(TCP_USER_TIMEOUT);
        // P1: whatever the server's or the role's setting is, an answered commit is on disk. Statements here take
        // milliseconds; to compile one (`jit`) takes tens of them, and is begun for what the planner overestimates.
        let setup = format!(
            "SET synchronous_commit = on; SET jit = off; SET statement_timeout = {}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}",
            limits.statement.as_millis(),
            limits.lock.as_millis(),
            limits.idle_in_transaction.as_millis(),
        );
        Ok(Self { config, tls, setup })
    }

    /// The role that logs in.
    pub fn role(&self) -> &str {
        self.config.get_user().unwrap_or("godwit")
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.role())
    }

    /// Logs in.
    pub async fn connect(&self) -> Result<AsyncPgConnection, Error> {
        let mut connection = match &self.tls {
            Some(tls) => {
                let (client, driver) = self.config.connect(tls.clone()).await.map_err(Error::connect)?;
                AsyncPgConnection::try_from_client_and_connection(client, driver).await
            }
            None => {
                let (client, driver) = self.config.connect(NoTls).await.map_err(Error::connect)?;
                AsyncPgConnection::try_from_client_and_connection(client, driver).await
            }
        }
        .map_err(Error::connect)?;
        connection.batch_execute(&self.setup).await.map_err(Error::connect)?;
        Ok(connection)
    }
}
