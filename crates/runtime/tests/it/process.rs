use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use godwit_testkit::eventually;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::fixture::FIXTURE;

const DEADLINE: Duration = Duration::from_secs(30);

/// A started fixture. It is killed with this value.
pub struct Fixture {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    /// Starts the fixture with these variables over sound defaults; an empty value unsets one.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let mut all = BTreeMap::from([
            (FIXTURE, "1"),
            ("GODWIT_ADMIN_LISTEN", "127.0.0.1:0"),
            ("GODWIT_GRPC_LISTEN", "127.0.0.1:0"),
            // Nobody listens there: a stream that is down must not keep a process from serving.
            ("GODWIT_EVENTS", "kafka"),
            ("GODWIT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"),
            ("RUST_BACKTRACE", "0"),
        ]);
        all.extend(variables.iter().copied());
        let mut command = Command::new(std::env::current_exe().unwrap());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GODWIT_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["--exact", "fixture::fixture_process", "--nocapture", "--test-threads=1"])
            .envs(all)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        #[expect(clippy::disallowed_methods, reason = "a test reads its child's log beside itself")]
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().await.push(line);
            }
        });
        Self { child, log }
    }

    /// Starts the fixture and waits until it is ready.
    pub async fn ready(variables: &[(&str, &str)]) -> Self {
        let fixture = Self::start(variables);
        fixture.wait_for_log("\"message\":\"ready\"").await;
        fixture
    }

    pub async fn log(&self) -> Vec<String> {
        self.log.lock().await.clone()
    }

    pub async fn wait_for_log(&self, part: &str) -> String {
        eventually(DEADLINE, || async {
            let log = self.log().await;
            log.iter().find(|line| line.contains(part)).cloned().ok_or(log)
        })
        .await
    }

    /// The address that the line with `message` names in `field`.
    async fn address(&self, message: &str, field: &str) -> String {
        let line = self.wait_for_log(&format!("\"message\":\"{message}\"")).await;
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        line.get(field).unwrap().as_str().unwrap().to_owned()
    }

    pub async fn grpc_address(&self) -> String {
        self.address("gRPC listens", "address").await
    }

    /// The status and body of a page of the admin listener.
    pub async fn admin(&self, path: &str) -> (u16, String) {
        let address = self.address("ready", "admin").await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let response = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
    }

    /// Waits for the end, and returns the status with the whole log.
    pub async fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await;
        let Ok(status) = status else { panic!("the process does not end: {:#?}", self.log().await) };
        // The reader may be a line behind the end of the process.
        eventually(DEADLINE, || async { Arc::strong_count(&self.log) == 1 }).await;
        (status.unwrap(), self.log().await)
    }
}
