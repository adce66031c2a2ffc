use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use godwit_pg::{Pool, PoolOptions, Schema};
use tokio::sync::Mutex;

use crate::{env, process};

/// What every login role of the tests' server has as its password: roles are shared by all databases of a server, so
/// two tests with different passwords would lock each other out.
pub const ROLE_PASSWORD: &str = "godwit-test";

/// The advisory lock of the maintenance database under which templates are made and removed ("gdwt").
const TEMPLATE_LOCK: i64 = 0x6764_7774;
/// PostgreSQL refuses to copy a template, or to drop a database, while another connection is closing.
const RETRIES: u32 = 40;
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Tests run side by side on one server with bounded connections.
const POOL_SIZE: usize = 8;

/// A database of a test's own with the schemas' tables, copied from a template that is migrated once for each test
/// binary. It is dropped with this value, or by a later run when the process was killed.
#[derive(Debug)]
pub struct TestDb {
    name: String,
    url: String,
}

impl TestDb {
    /// Makes a database with these schemas migrated. Panics when the server is not there or refuses.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn new(schemas: &[&Schema]) -> Self {
        Self::create(schemas).await.expect("a test database is made on GODWIT_TEST_DATABASE_URL")
    }

    /// Makes a database with nothing in it.
    pub async fn empty() -> Self {
        Self::new(&[]).await
    }

    async fn create(schemas: &[&Schema]) -> anyhow::Result<Self> {
        if schemas.is_empty() {
            let mut admin = connect(&env::database_url()).await?;
            sweep_once(&mut admin).await?;
            return Self::copy_of(&mut admin, "template0").await;
        }
        let names: Vec<&str> = schemas.iter().map(|schema| schema.name).collect();
        let binary = std::env::current_exe()?;
        Self::migrated_by(&binary, &names.join(","), async |url| {
            Ok(godwit_pg::migrate(url, schemas, ROLE_PASSWORD).await?)
        })
        .await
    }

    /// A database that `migrate` has prepared, given its superuser URL: done once for each age of `binary`, which
    /// holds the migrations, and `what` it prepares; then copied.
    pub(crate) async fn migrated_by(
        binary: &Path,
        what: &str,
        migrate: impl AsyncFnOnce(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut admin = connect(&env::database_url()).await?;
        sweep_once(&mut admin).await?;
        let template = template(&mut admin, binary, what, migrate).await?;
        Self::copy_of(&mut admin, &template).await
    }

    async fn copy_of(admin: &mut AsyncPgConnection, template: &str) -> anyhow::Result<Self> {
        let name = own_name();
        execute(admin, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        let database = Self { url: database_url(&name)?, name };
        copy_rights(admin, template, &database.name).await?;
        Ok(database)
    }

    /// The URL of this database, as superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of this database for the login role of `schema`.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn role_url(&self, schema: &Schema) -> String {
        godwit_pg::role_url(&self.url, schema, ROLE_PASSWORD).expect("the test database has a usable URL")
    }

    /// A small pool of the login role of `schema`.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn pool(&self, schema: &Schema) -> Pool {
        let options =
            PoolOptions { max_size: POOL_SIZE, wait_timeout: Duration::from_secs(20), ..PoolOptions::default() };
        Pool::connect(&self.role_url(schema), options).expect("the test database has a usable URL")
    }
}

impl Drop for TestDb {
    /// Drops the database on a thread of its own: a test may end inside or outside a runtime. When the process ends
    /// first, the next one that makes a database sweeps this one up.
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                if let Ok(mut admin) = connect(&env::database_url()).await {
                    drop_database(&mut admin, &name).await.ok();
                }
            });
        });
    }
}

/// Names tell the owner, so that a sweep knows what is left over: `gt_db_<pid>_<its start>_<number>`.
fn own_name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let (pid, started) = process::this();
    format!("gt_db_{pid}_{started}_{}", MADE.fetch_add(1, Ordering::Relaxed))
}

fn owner_runs(database: &str) -> bool {
    let mut parts = database.trim_start_matches("gt_db_").split('_').map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(started))) = (parts.next(), parts.next()) else { return false };
    u32::try_from(pid).is_ok_and(|pid| process::started_at(pid) == Some(started))
}

async fn sweep_once(admin: &mut AsyncPgConnection) -> anyhow::Result<()> {
    static SWEPT: Mutex<bool> = Mutex::const_new(false);
    let mut swept = SWEPT.lock().await;
    if !*swept {
        for name in database_names(admin, "gt_db_").await? {
            if !owner_runs(&name) {
                drop_database(admin, &name).await?;
            }
        }
        *swept = true;
    }
    Ok(())
}

/// The name of a template, made if this process is the first to want it.
///
/// A template's name carries the binary's path and age, so that a rebuilt binary, whose migrations may have changed,
/// makes a new one and removes the old. It takes connections while it is being made and none after that; one that
/// still takes them was left half made.
async fn template(
    admin: &mut AsyncPgConnection,
    binary: &Path,
    what: &str,
    migrate: impl AsyncFnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    static MADE: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().await;
    if let Some(template) = made.get(what) {
        return Ok(template.clone());
    }
    let (slot, age) = slot_and_age(binary, what)?;
    let template = format!("{slot}{age}");
    execute(admin, &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await?;
    if !is_complete(admin, &template).await? {
        for outdated in database_names(admin, &slot).await? {
            drop_database(admin, &outdated).await?;
        }
        execute(admin, &format!("CREATE DATABASE {template} TEMPLATE template0")).await?;
        migrate(&database_url(&template)?).await?;
        execute(admin, &format!("ALTER DATABASE {template} ALLOW_CONNECTIONS false")).await?;
    }
    execute(admin, &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await?;
    made.insert(what.to_owned(), template.clone());
    Ok(template)
}

fn slot_and_age(binary: &Path, what: &str) -> anyhow::Result<(String, u64)> {
    let modified = std::fs::metadata(binary)?.modified()?.duration_since(UNIX_EPOCH)?;
    let mut hasher = DefaultHasher::new();
    (binary, what).hash(&mut hasher);
    Ok((format!("gt_tpl_{:016x}_", hasher.finish()), u64::try_from(modified.as_millis())?))
}

/// A copy keeps the tables and their rights, but not what concerns the database itself: who may connect, and the
/// roles' search paths.
async fn copy_rights(admin: &mut AsyncPgConnection, template: &str, name: &str) -> anyhow::Result<()> {
    let copy = format!(
        "DO $$ DECLARE statement text; BEGIN
           FOR statement IN
             SELECT format('REVOKE ALL ON DATABASE {name} FROM PUBLIC')
             UNION ALL
             SELECT format('GRANT %s ON DATABASE {name} TO %I', privilege_type, rolname)
               FROM pg_database, aclexplode(datacl) JOIN pg_roles ON pg_roles.oid = grantee
              WHERE datname = '{template}' AND grantee <> datdba
             UNION ALL
             SELECT format('ALTER ROLE %I IN DATABASE {name} SET %s = %s', rolname, split_part(setting, '=', 1),
                           substr(setting, strpos(setting, '=') + 1))
               FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
               JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS setting
              WHERE datname = '{template}'
           LOOP EXECUTE statement; END LOOP;
         END $$"
    );
    execute(admin, &copy).await
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    datname: String,
}

async fn database_names(admin: &mut AsyncPgConnection, prefix: &str) -> anyhow::Result<Vec<String>> {
    let query = diesel::sql_query("SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)");
    let rows: Vec<Name> = query.bind::<Text, _>(prefix).load(admin).await?;
    Ok(rows.into_iter().map(|row| row.datname).collect())
}

async fn is_complete(admin: &mut AsyncPgConnection, template: &str) -> anyhow::Result<bool> {
    let query = diesel::sql_query("SELECT 1 FROM pg_database WHERE datname = $1 AND NOT datallowconn");
    Ok(query.bind::<Text, _>(template).execute(admin).await? > 0)
}

async fn drop_database(admin: &mut AsyncPgConnection, name: &str) -> anyhow::Result<()> {
    execute(admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

/// Runs a statement, and again while PostgreSQL says that the database is being used.
async fn execute(admin: &mut AsyncPgConnection, statement: &str) -> anyhow::Result<()> {
    let mut attempt = 0;
    loop {
        match admin.batch_execute(statement).await {
            Err(error) if attempt < RETRIES && error.to_string().contains("being accessed by other users") => {
                attempt += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            result => return Ok(result?),
        }
    }
}

async fn connect(url: &str) -> anyhow::Result<AsyncPgConnection> {
    Ok(AsyncPgConnection::establish(url).await?)
}

fn database_url(name: &str) -> anyhow::Result<String> {
    let mut url = url::Url::parse(&env::database_url())?;
    url.set_path(name);
    Ok(url.into())
}
