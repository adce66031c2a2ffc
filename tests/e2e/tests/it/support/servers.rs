use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use godwit_testkit::{ClusterOptions, Shape, TestCluster, eventually};

/// A process that gets SIGKILL is gone when the kernel has looked after it.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// Servers of one test alone, which it may stop.
pub struct OwnServers {
    dir: PathBuf,
}

impl OwnServers {
    /// Starts them.
    pub fn start(parts: &[&str]) -> Self {
        // The process id in the name lets `scripts/test` find what a killed test left running.
        let name = godwit_testkit::unique(&format!("e2e-{}-", std::process::id()));
        let dir = root().join(".godwit").join(name);
        let servers = Self { dir };
        servers.stack("up", parts);
        servers
    }

    /// A cluster of this shape on PostgreSQL, Redis and Kafka of these servers.
    pub async fn cluster(&self, shape: Shape) -> TestCluster {
        ClusterOptions::new(shape)
            .database_url(self.setting("GODWIT_DATABASE_URL"))
            .variable("GODWIT_REDIS_URL", self.variable("GODWIT_TEST_REDIS_URL"))
            .variable("GODWIT_KAFKA_BOOTSTRAP_SERVERS", self.variable("GODWIT_TEST_KAFKA"))
            .start()
            .await
    }

    /// Runs a command of `scripts/stack` on them, and nothing else meanwhile.
    pub fn stack(&self, command: &str, parts: &[&str]) -> String {
        said(self.command(command, parts).output())
    }

    /// Stops a server as an operator does, while the rest of the test goes on.
    pub async fn stop(&self, part: &str) {
        self.run("down", part).await;
    }

    /// Starts a server that was stopped or killed on what it left, and waits until it answers; the rest of the test goes on.
    pub async fn start_again(&self, part: &str) {
        self.run("up", part).await;
    }

    /// Ends a server and every process that it started by SIGKILL, without any word to them: what they had not written is
    /// lost, and nothing is tidied up.
    pub async fn kill(&self, part: &str) {
        let pid = self.pid(part);
        // A stopped process starts no others while they are looked for. Those of PostgreSQL are no process group.
        signal("STOP", &[pid]);
        let mut all = children_of(pid);
        all.push(pid);
        signal("KILL", &all);
        eventually(GONE_WITHIN, async || all.iter().all(|pid| !runs(*pid))).await;
    }

    /// The value of a variable that `scripts/stack env` prints for tests.
    pub fn variable(&self, name: &str) -> String {
        self.value(name, &[])
    }

    /// The value of a variable that `scripts/stack env` prints for a server of Godwit.
    pub fn setting(&self, name: &str) -> String {
        self.value(name, &["--for", "godwit"])
    }

    fn value(&self, name: &str, options: &[&str]) -> String {
        let lines = self.stack("env", options);
        let value = lines.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
        value.unwrap_or_else(|| panic!("no {name} in {lines}")).to_owned()
    }

    /// Sends a signal such as STOP to a server.
    pub fn signal(&self, part: &str, name: &str) {
        signal(name, &[self.pid(part)]);
    }

    fn pid(&self, part: &str) -> u32 {
        self.running(part).unwrap_or_else(|| panic!("{part} does not run"))
    }

    /// The id of a server that runs.
    fn running(&self, part: &str) -> Option<u32> {
        let output = self.command("status", &[part]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.split_whitespace().last()?.parse().ok()
    }

    fn command(&self, command: &str, parts: &[&str]) -> Command {
        let mut stack = Command::new(root().join("scripts/stack"));
        stack.arg(command).arg("--dir").arg(&self.dir).args(parts).stdin(Stdio::null());
        // The S3 server is a part of it.
        stack.env("GODWIT_BIN", binary());
        stack
    }

    async fn run(&self, command: &str, part: &str) {
        said(tokio::process::Command::from(self.command(command, &[part])).output().await);
    }
}

impl Drop for OwnServers {
    fn drop(&mut self) {
        // Told to end, it would take seconds to bring things to an end that nobody needs any more.
        if let Some(pid) = self.running("kafka") {
            Command::new("kill").arg("-KILL").arg(pid.to_string()).status().ok();
        }
        Command::new(root().join("scripts/stack")).arg("wipe").arg("--dir").arg(&self.dir).status().ok();
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Godwit's binary of the same profile as this test, which is in `<profile>/deps/`.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    test.ancestors().nth(2).expect("the test is in a target directory").join("godwit")
}

/// What `scripts/stack` printed.
fn said(output: std::io::Result<Output>) -> String {
    let output = output.expect("scripts/stack runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("scripts/stack prints text")
}

fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    assert!(Command::new("kill").arg(format!("-{name}")).args(pids).status().expect("kill runs").success());
}

/// The processes that this one started and that have not ended.
fn children_of(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("there is /proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| state_and_parent(*pid).is_some_and(|(_, its)| its == parent)).collect()
}

/// Whether there is such a process, and it is more than what is left for its parent to read.
fn runs(pid: u32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| !["Z", "X"].contains(&state.as_str()))
}

/// Fields 3 and 4 of `stat` (proc(5)).
fn state_and_parent(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
