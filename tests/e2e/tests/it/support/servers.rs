use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

    /// Runs a command of `scripts/stack` on them.
    pub fn stack(&self, command: &str, parts: &[&str]) -> String {
        let output = Command::new(root().join("scripts/stack"))
            .arg(command)
            .arg("--dir")
            .arg(&self.dir)
            .args(parts)
            .stdin(Stdio::null())
            .output()
            .expect("scripts/stack runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("scripts/stack prints text")
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
    pub fn signal(&self, part: &str, signal: &str) {
        let status = self.stack("status", &[part]);
        let pid = status.split_whitespace().last().expect("the status ends with the process id").to_owned();
        assert!(Command::new("kill").arg(format!("-{signal}")).arg(pid).status().unwrap().success());
    }
}

impl Drop for OwnServers {
    fn drop(&mut self) {
        Command::new(root().join("scripts/stack")).arg("wipe").arg("--dir").arg(&self.dir).status().ok();
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
