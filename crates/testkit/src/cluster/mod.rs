//! Clusters of real `godwit` processes.

mod ports;
mod server;
mod settings;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

pub use self::settings::Place;

use self::server::Server;
use self::settings::Layout;
use crate::{Mailbox, TestDb, env, unique};

/// A process of the dev profile starts slowly on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(90);
/// Longer than `GODWIT_SHUTDOWN_GRACE_SECS` of the clusters.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Lines of each process's log that a failing test shows.
const LOG_TAIL_LINES: usize = 60;

/// Which processes there are and what they stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One process with everything inside but PostgreSQL, as `make run` starts it.
    Embedded,
    /// One process on PostgreSQL, Redis, Kafka and S3.
    FullStack,
    /// A process for each service, and two for the gateway, on PostgreSQL, Redis, Kafka and S3.
    Separate,
}

/// Running `godwit` processes on a database, key prefix and topic prefix of their own. All of them end with this
/// value, and with the test's process however that ends.
///
/// When the test panics, the ends of their logs are written to standard error.
pub struct TestCluster {
    shape: Shape,
    binary: PathBuf,
    servers: Vec<Server>,
    database: Database,
    mailbox: Mailbox,
    gateways: Vec<String>,
    /// Logs, S3 objects, Raft logs.
    dir: TempDir,
}

/// What a cluster stands on.
enum Database {
    Own(TestDb),
    Given(String),
}

impl Database {
    fn url(&self) -> &str {
        match self {
            Self::Own(database) => database.url(),
            Self::Given(url) => url,
        }
    }
}

/// How a cluster departs from its shape's defaults.
pub struct ClusterOptions {
    shape: Shape,
    variables: Vec<(String, String)>,
    has_own_binaries: bool,
    database_url: Option<String>,
    layout: Layout,
}

impl ClusterOptions {
    /// The defaults of this shape.
    pub const fn new(shape: Shape) -> Self {
        Self {
            shape,
            variables: Vec::new(),
            has_own_binaries: false,
            database_url: None,
            layout: Layout::on_loopback(),
        }
    }

    /// Sets an environment variable of every process, over what the cluster would set.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Runs every service from its own binary (`godwit-auth`) instead of `godwit --target=auth`. For
    /// [`Shape::Separate`].
    #[must_use]
    pub const fn own_binaries(mut self) -> Self {
        self.has_own_binaries = true;
        self
    }

    /// Stands on this empty database instead of one of the tests' server: for a test that stops its own.
    #[must_use]
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.database_url = Some(url.into());
        self
    }

    /// Runs call-signaling as a group of three replicas, `call-signaling-1` to `call-signaling-3`. For [`Shape::Separate`].
    #[must_use]
    pub fn call_group(self) -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.call_group_at(here, vec![Place::here(here); 3])
    }

    /// Runs a replica of call-signaling in each of these places, and everything else at an address of this machine that
    /// they reach.
    #[must_use]
    pub fn call_group_at(mut self, others: IpAddr, places: Vec<Place>) -> Self {
        self.layout = Layout { elsewhere: Place::here(others), call_group: places };
        self
    }

    /// Starts the processes and waits until they are ready. Panics when they do not get there.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn start(self) -> TestCluster {
        TestCluster::create(self).await.expect("a cluster starts")
    }
}

impl TestCluster {
    /// Starts a cluster with the defaults of this shape.
    pub async fn start(shape: Shape) -> Self {
        ClusterOptions::new(shape).start().await
    }

    async fn create(options: ClusterOptions) -> anyhow::Result<Self> {
        let binary = sibling("godwit")?;
        let dir = tempfile::Builder::new().prefix("godwit-cluster-").tempdir()?;
        let migrate = async |url: &str| migrate(&binary, url, dir.path()).await;
        let database = match options.database_url {
            Some(url) => {
                migrate(&url).await?;
                Database::Given(url)
            }
            None => Database::Own(TestDb::migrated_by(&binary, "cluster", migrate).await?),
        };
        let plan = settings::Plan::new(options.shape, &options.layout, database.url(), dir.path(), &unique("e2e"))?;
        let mut servers = Vec::new();
        for process in plan.processes {
            let mut variables = process.variables;
            variables.extend(options.variables.iter().cloned());
            let (binary, arguments) = match process.arguments.first().and_then(|first| first.strip_prefix("--target="))
            {
                Some(target) if options.has_own_binaries => (sibling(&format!("godwit-{target}"))?, Vec::new()),
                _ => (binary.clone(), process.arguments),
            };
            let (binary, arguments) = launched(process.launcher, binary, arguments);
            servers.push(Server::new(process.name, &binary, arguments, variables, process.admin, dir.path()));
        }
        let shape = options.shape;
        let mut cluster =
            Self { shape, binary, servers, database, mailbox: plan.mailbox, gateways: plan.gateways, dir };
        for server in &mut cluster.servers {
            server.spawn()?;
        }
        for server in &mut cluster.servers {
            if let Err(error) = server.wait_until_ready(READY_TIMEOUT).await {
                anyhow::bail!("{error}\n{}", cluster.log_tails());
            }
        }
        Ok(cluster)
    }

    /// Which shape it has.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Where clients reach the first gateway: `http://host:port`.
    pub fn gateway(&self) -> &str {
        self.gateways.first().map_or("", String::as_str)
    }

    /// Where clients reach the other gateway; the same one in a cluster that has one only.
    pub fn other_gateway(&self) -> &str {
        self.gateways.last().map_or("", String::as_str)
    }

    /// What the cluster's mails arrive in.
    pub const fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// The database, as superuser.
    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// The names of the processes: `all`, or `auth`, `chat`, … `gateway-1`, `gateway-2`.
    pub fn process_names(&self) -> Vec<&str> {
        self.servers.iter().map(Server::name).collect()
    }

    /// Where `/metrics` of a process is.
    pub fn metrics_url(&self, process: &str) -> String {
        format!("http://{}/metrics", self.server(process).admin())
    }

    /// The id of a running process.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn pid(&self, process: &str) -> u32 {
        self.server(process).pid().expect("the process runs")
    }

    /// Ends a process by SIGKILL, at once and without any word to it.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn kill(&mut self, process: &str) {
        self.server_mut(process).kill().expect("the process can be killed");
    }

    /// Stops a process by SIGSTOP as it is, as a network does that carries nothing: its connections stay open.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn pause(&self, process: &str) {
        self.server(process).signal("STOP").expect("the process can be paused");
    }

    /// Lets a paused process go on.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn resume(&self, process: &str) {
        self.server(process).signal("CONT").expect("the process can go on");
    }

    /// Ends a process by SIGTERM and waits for it; the exit code, or `None` when a signal ended it.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn stop(&mut self, process: &str) -> Option<i32> {
        self.server_mut(process).stop(STOP_TIMEOUT).await.expect("the process ends when it is told to")
    }

    /// Starts a process that was ended, with the same settings, and waits until it is ready.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn start_again(&mut self, process: &str) {
        let server = self.server_mut(process);
        server.spawn().expect("the binary can be started");
        server.wait_until_ready(READY_TIMEOUT).await.expect("the process gets ready again");
    }

    /// Sets a variable of a process for when it is started again.
    pub fn set(&mut self, process: &str, variable: &str, value: impl Into<String>) {
        self.server_mut(process).set(variable, value.into());
    }

    /// The value of a variable that a process was started with, such as `GODWIT_GRPC_LISTEN`.
    pub fn setting(&self, process: &str, variable: &str) -> Option<&str> {
        self.server(process).variable(variable)
    }

    /// Runs a tool of the one binary, such as `doctor`.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn tool(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(&self.binary);
        command.args(arguments).current_dir(self.dir.path()).kill_on_drop(true);
        command.output().await.expect("the binary can be started")
    }

    /// What each process has written so far, by its name.
    pub fn logs(&self) -> Vec<(String, String)> {
        self.servers.iter().map(|server| (server.name().to_owned(), server.log_tail(usize::MAX))).collect()
    }

    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    fn server(&self, name: &str) -> &Server {
        self.servers.iter().find(|server| server.name() == name).expect("the cluster has this process")
    }

    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    fn server_mut(&mut self, name: &str) -> &mut Server {
        self.servers.iter_mut().find(|server| server.name() == name).expect("the cluster has this process")
    }

    fn log_tails(&self) -> String {
        let mut tails = String::new();
        for server in &self.servers {
            let state = if server.pid().is_some() { "" } else { " (ended)" };
            // Writing to a String cannot fail.
            let _ = writeln!(tails, "--- {}{state}\n{}", server.name(), server.log_tail(LOG_TAIL_LINES));
        }
        tails
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Unlike eprintln, this is not kept back by the test harness; nothing can be done when it fails.
            let _ = std::io::stderr().write_all(self.log_tails().as_bytes());
        }
        // The processes end first: they would complain about the database.
        self.servers.clear();
    }
}

/// The command that runs `binary` by a launcher, if there is one.
fn launched(launcher: Vec<String>, binary: PathBuf, arguments: Vec<String>) -> (PathBuf, Vec<String>) {
    let mut words = launcher.into_iter();
    match words.next() {
        None => (binary, arguments),
        Some(first) => (first.into(), words.chain([binary.display().to_string()]).chain(arguments).collect()),
    }
}

/// The binary with this name of the same profile as this test: test binaries are in `<profile>/deps/`.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("the test binary is not in a target directory")?;
    let binary = profile.join(name);
    ensure!(
        binary.exists(),
        "{} does not exist: run the tests by `make test`, or `cargo build -p {name}` first",
        binary.display()
    );
    Ok(binary)
}

async fn migrate(binary: &Path, url: &str, dir: &Path) -> anyhow::Result<()> {
    let variables = settings::database(url);
    let output = tokio::process::Command::new(binary).arg("migrate").current_dir(dir).envs(variables).output().await?;
    ensure!(
        output.status.success(),
        "godwit migrate failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The S3 server and Kafka of the tests' environment, for the shapes that need them.
pub(crate) fn stack_variables(prefix: &str) -> Vec<(String, String)> {
    let s3 = env::s3();
    [
        ("GODWIT_LIVE", "redis".to_owned()),
        ("GODWIT_REDIS_URL", env::redis_url()),
        ("GODWIT_REDIS_KEY_PREFIX", format!("{prefix}:")),
        ("GODWIT_EVENTS", "kafka".to_owned()),
        ("GODWIT_KAFKA_BOOTSTRAP_SERVERS", env::kafka()),
        ("GODWIT_KAFKA_TOPIC_PREFIX", format!("{prefix}.")),
        ("GODWIT_MEDIA_S3_URL", s3.url),
        ("GODWIT_MEDIA_S3_ACCESS_KEY", s3.access_key),
        ("GODWIT_MEDIA_S3_SECRET_KEY", s3.secret_key),
        ("GODWIT_MEDIA_S3_BUCKET", prefix.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
