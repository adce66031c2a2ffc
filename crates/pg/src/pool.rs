use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::Error;
use crate::connect::{Connector, SessionLimits};

/// A transaction in which no statement runs for this long belongs to a caller that is gone or stuck.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that rested this long is asked whether it still lives before it is handed out; one used lately is
/// not, so that a busy pool costs no round trip.
const CHECK_AFTER_IDLE: Duration = Duration::from_secs(10);
/// How long logging in, and asking a rested connection, may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections are renewed, so that a moved database and a growing server process are left behind.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// The most connections open at once.
    pub max_size: usize,
    /// How long a caller waits while all connections are in use.
    pub wait_timeout: Duration,
    /// The longest time one statement may run.
    pub statement_timeout: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { max_size: 10, wait_timeout: Duration::from_secs(3), statement_timeout: Duration::from_secs(10) }
    }
}

/// A bounded pool of connections of one role. Clones share the connections.
#[derive(Clone)]
pub struct Pool {
    inner: managed::Pool<Manager>,
    meters: Meters,
}

impl Pool {
    /// Makes a pool that opens connections as they are needed; the database need not be up yet.
    ///
    /// # Errors
    /// When the URL, or a file that it names, is wrong.
    pub fn connect(url: &str, options: PoolOptions) -> Result<Self, Error> {
        let limits = SessionLimits {
            statement: options.statement_timeout,
            lock: Duration::ZERO,
            idle_in_transaction: IDLE_IN_TRANSACTION_TIMEOUT,
        };
        let connector = Connector::new(url, limits)?;
        let meters = Meters::new(connector.role());
        let manager = Manager { connector, opened: meters.opened.clone() };
        let inner = managed::Pool::builder(manager)
            .max_size(options.max_size.max(1))
            .wait_timeout(Some(options.wait_timeout))
            .create_timeout(Some(OPEN_TIMEOUT))
            .recycle_timeout(Some(CHECK_TIMEOUT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(Error::connect)?;
        Ok(Self { inner, meters })
    }

    /// A connection with no open transaction, waiting for one to be free if need be.
    ///
    /// # Errors
    /// When none is free in time or none can be made; see [`Error::is_unavailable`].
    pub async fn get(&self) -> Result<PooledConnection, Error> {
        let asked_at = Instant::now();
        let result = self.inner.get().await.map_err(Error::from);
        self.meters.waited.record(asked_at.elapsed());
        self.meters.measure(&self.inner.status());
        let connection = result.inspect_err(|_| self.meters.failed.increment(1))?;
        self.meters.in_use.increment(1);
        Ok(PooledConnection { connection, in_use: self.meters.in_use.clone() })
    }

    /// A connection that does not belong to the pool, for what must not outlive its holder: session locks and
    /// `LISTEN`. It is closed when it is dropped, and does not count towards the pool's size.
    ///
    /// # Errors
    /// When none can be made; see [`Error::is_unavailable`].
    pub async fn dedicated(&self) -> Result<AsyncPgConnection, Error> {
        self.inner.manager().connector.connect().await
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check(&self) -> Result<(), Error> {
        let mut connection = self.get().await?;
        connection.batch_execute("SELECT 1").await?;
        Ok(())
    }

    /// Closes the pool: idle connections are closed at once, others when they come back; callers get
    /// [`Error::PoolClosed`].
    pub fn close(&self) {
        self.inner.close();
        self.meters.measure(&self.inner.status());
    }
}

/// A connection that goes back to its pool when it is dropped. One that was dropped inside a transaction (its caller
/// was cancelled) is closed instead.
pub struct PooledConnection {
    connection: managed::Object<Manager>,
    in_use: Gauge,
}

impl Deref for PooledConnection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.connection
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        self.in_use.decrement(1);
    }
}

struct Manager {
    connector: Connector,
    opened: Counter,
}

impl managed::Manager for Manager {
    type Type = AsyncPgConnection;
    type Error = Error;

    async fn create(&self) -> Result<AsyncPgConnection, Error> {
        let connection = self.connector.connect().await?;
        self.opened.increment(1);
        Ok(connection)
    }

    async fn recycle(&self, connection: &mut AsyncPgConnection, metrics: &Metrics) -> RecycleResult<Error> {
        if connection.is_broken() {
            return Err(RecycleError::message("the connection is closed or inside a transaction"));
        }
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("the connection is old"));
        }
        if metrics.last_used() > CHECK_AFTER_IDLE {
            connection.batch_execute("SELECT 1").await.map_err(|error| RecycleError::Backend(error.into()))?;
        }
        Ok(())
    }
}

/// The pool's instruments, labelled with the login role.
#[derive(Clone)]
struct Meters {
    /// `godwit_pg_connections`: connections open.
    open: Gauge,
    /// `godwit_pg_connections_in_use`: connections handed out.
    in_use: Gauge,
    /// `godwit_pg_waiting`: callers waiting for one.
    waiting: Gauge,
    /// `godwit_pg_connections_opened_total`: connections made.
    opened: Counter,
    /// `godwit_pg_acquire_failures_total`: callers that got none.
    failed: Counter,
    /// `godwit_pg_acquire_seconds`: how long callers waited.
    waited: Histogram,
}

impl Meters {
    fn new(role: &str) -> Self {
        let role = role.to_owned();
        Self {
            open: gauge!("godwit_pg_connections", "role" => role.clone()),
            in_use: gauge!("godwit_pg_connections_in_use", "role" => role.clone()),
            waiting: gauge!("godwit_pg_waiting", "role" => role.clone()),
            opened: counter!("godwit_pg_connections_opened_total", "role" => role.clone()),
            failed: counter!("godwit_pg_acquire_failures_total", "role" => role.clone()),
            waited: histogram!("godwit_pg_acquire_seconds", "role" => role),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a pool is far smaller than 2^52")]
    fn measure(&self, status: &deadpool::Status) {
        self.open.set(status.size as f64);
        self.waiting.set(status.waiting as f64);
    }
}
