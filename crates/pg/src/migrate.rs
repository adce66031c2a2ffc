use std::time::{Duration, Instant};

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use crate::connect::{Connector, SessionLimits};
use crate::{Error, role_url, roles};

/// The advisory lock that lets one process migrate a database at a time ("godwit").
const MIGRATION_LOCK: i64 = 0x0067_6f64_7769_7400;
const LOCK_RETRY_PAUSE: Duration = Duration::from_millis(200);
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// A migration may run long, but must not queue long for a lock: every statement after it would queue as well.
const MIGRATION_LIMITS: SessionLimits =
    SessionLimits { statement: Duration::ZERO, lock: Duration::from_secs(10), idle_in_transaction: Duration::ZERO };

/// One service's tables: a PostgreSQL schema that the login role `godwit_<name>` owns.
pub struct Schema {
    /// The schema's name, such as `auth`: lower-case letters and underscores.
    pub name: &'static str,
    /// The migrations, embedded in the binary.
    pub migrations: fn() -> EmbeddedMigrations,
    /// Trusted PostgreSQL extensions that its tables need; they live in the schema.
    pub extensions: &'static [&'static str],
}

impl Schema {
    /// The login role that owns the schema.
    #[must_use]
    pub fn role(&self) -> String {
        format!("godwit_{}", self.name)
    }
}

/// Makes the roles and schemas that are missing, sets their rights, and runs the migrations that have not been run,
/// each schema's as its own role. May be called again at any time and by several processes at once: they take turns.
///
/// `admin_url` needs a user that may create roles and, in its database, schemas.
///
/// # Errors
/// When the database is not reachable, refuses, or a migration fails; what was migrated before stays.
pub async fn migrate(admin_url: &str, schemas: &[&Schema], role_password: &str) -> Result<(), Error> {
    let admin = Connector::new(admin_url, MIGRATION_LIMITS)?;
    let mut lock_holder = admin.connect().await?;
    lock(&mut lock_holder).await?;
    for schema in schemas {
        let role = Connector::new(&role_url(admin_url, schema, role_password)?, MIGRATION_LIMITS)?;
        let connection = roles::prepare(&mut lock_holder, admin.database(), schema, &role, role_password).await?;
        run_pending(connection, schema).await?;
    }
    // Closing the connection would free the lock too, but a moment after this function returns.
    lock_holder.batch_execute(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})")).await?;
    Ok(())
}

/// The names of the migrations of `schema` that have not been run yet, oldest first, seen as its role.
///
/// # Errors
/// When the role cannot log in or the schema cannot be read.
pub async fn pending_migrations(role_url: &str, schema: &Schema) -> Result<Vec<String>, Error> {
    let mut connection = Connector::new(role_url, MIGRATION_LIMITS)?.connect().await?;
    #[derive(diesel::QueryableByName)]
    struct Known {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let table_exists = diesel::sql_query("SELECT 1 WHERE to_regclass('__diesel_schema_migrations') IS NOT NULL");
    let mut known: Vec<Known> = Vec::new();
    if table_exists.execute(&mut connection).await? > 0 {
        known = diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(&mut connection).await?;
    }
    let mut pending: Vec<String> = migrations_of(schema)?
        .iter()
        .filter(|migration| {
            let version = migration.name().version().to_string();
            !known.iter().any(|known| known.version == version)
        })
        .map(|migration| migration.name().to_string())
        .collect();
    pending.sort();
    Ok(pending)
}

fn migrations_of(schema: &Schema) -> Result<Vec<Box<dyn diesel::migration::Migration<Pg>>>, Error> {
    MigrationSource::<Pg>::migrations(&(schema.migrations)())
        .map_err(|source| Error::Migration { schema: schema.name, source })
}

/// Polls instead of waiting inside PostgreSQL: a waiting statement holds a snapshot, for which the other process's
/// `CREATE INDEX CONCURRENTLY` would wait in turn.
async fn lock(connection: &mut AsyncPgConnection) -> Result<(), Error> {
    let asked_at = Instant::now();
    loop {
        let taken = diesel::sql_query(format!("SELECT 1 WHERE pg_try_advisory_lock({MIGRATION_LOCK})"))
            .execute(connection)
            .await?;
        if taken > 0 {
            return Ok(());
        }
        if asked_at.elapsed() > LOCK_TIMEOUT {
            return Err(Error::MigrationLock);
        }
        tokio::time::sleep(LOCK_RETRY_PAUSE).await;
    }
}

/// diesel's harness is synchronous: it runs on a blocking thread, whatever kind of runtime this is.
async fn run_pending(connection: AsyncPgConnection, schema: &Schema) -> Result<(), Error> {
    let name = schema.name;
    let migrations = (schema.migrations)();
    let run = move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        let versions = harness.run_pending_migrations(migrations)?;
        Ok::<usize, Box<dyn std::error::Error + Send + Sync>>(versions.len())
    };
    let count = tokio::task::spawn_blocking(run)
        .await
        .map_err(|panic| Error::Migration { schema: name, source: panic.into() })?
        .map_err(|source| Error::Migration { schema: name, source })?;
    tracing::info!(schema = name, count, "migrated");
    Ok(())
}
