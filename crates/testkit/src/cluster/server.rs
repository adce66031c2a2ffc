use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

const PAUSE: Duration = Duration::from_millis(20);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a command that is killed when standard input ends, hence when the test's process ends in whatever way.
/// `$$` is the id of the command itself, since `exec` keeps it.
const LEASHED: &str = r#"exec 3<&0 </dev/null; (cat <&3 >/dev/null; kill -9 $$) 2>/dev/null & exec 3<&-; exec "$@""#;

/// One `godwit` process, or the place of one that was ended.
pub(super) struct Server {
    name: String,
    binary: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    admin: SocketAddr,
    dir: PathBuf,
    child: Option<Child>,
}

impl Server {
    pub fn new(
        name: String,
        binary: &Path,
        arguments: Vec<String>,
        variables: Vec<(String, String)>,
        admin: SocketAddr,
        dir: &Path,
    ) -> Self {
        Self { name, binary: binary.to_owned(), arguments, variables, admin, dir: dir.to_owned(), child: None }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is started with; of a variable that is set twice, the last counts.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(set, _)| set == name).map(|(_, value)| value.as_str())
    }

    /// Counts from the next start on.
    pub fn set(&mut self, name: &str, value: String) {
        self.variables.push((name.to_owned(), value));
    }

    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub fn spawn(&mut self) -> anyhow::Result<()> {
        let log = self.open_log()?;
        let mut command = Command::new("sh");
        command.args(["-c", LEASHED, "sh"]).arg(&self.binary).args(&self.arguments).current_dir(&self.dir);
        // Settings of the person who runs the tests must not reach the processes.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("GODWIT_") {
                command.env_remove(variable);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let child = command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn();
        self.child = Some(child.with_context(|| format!("{} cannot be started", self.name))?);
        Ok(())
    }

    /// Waits for `/health/ready` of the admin port.
    pub async fn wait_until_ready(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let client = crate::http_client();
        let url = format!("http://{}/health/ready", self.admin);
        let deadline = Instant::now() + timeout;
        loop {
            let last = match client.get(&url).timeout(PROBE_TIMEOUT).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => format!("{error:?}"),
            };
            if let Some(status) = self.exit_status()? {
                bail!("{} ended with {status} before it was ready", self.name);
            }
            if Instant::now() > deadline {
                bail!("{} was not ready within {timeout:?}: {last}", self.name);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid().with_context(|| format!("{} does not run", self.name))?;
        let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status()?;
        ensure!(status.success(), "{} cannot be sent {name}", self.name);
        Ok(())
    }

    /// The exit code; `None` when a signal ended it.
    pub async fn stop(&mut self, timeout: Duration) -> anyhow::Result<Option<i32>> {
        self.signal("TERM")?;
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.exit_status()? {
                self.child = None;
                return Ok(status.code());
            }
            if Instant::now() > deadline {
                bail!("{} did not end within {timeout:?}", self.name);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub fn log_tail(&self, line_count: usize) -> String {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(line_count)..).unwrap_or_default().join("\n")
    }

    fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?),
            None => bail!("{} does not run", self.name),
        }
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.name))
    }

    fn open_log(&self) -> anyhow::Result<File> {
        Ok(OpenOptions::new().create(true).append(true).open(self.log_path())?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.kill().ok();
    }
}
