use std::process::{Output, Stdio};

use godwit_testkit::{ROLE_PASSWORD, TestDb};
use tempfile::TempDir;
use tokio::process::Command;

/// `godwit` in an empty folder, with no settings but the database's.
pub struct Godwit {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// How a command ended and what it said.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Godwit {
    pub fn on(db: &TestDb) -> Self {
        Self::alone().with("GODWIT_DATABASE_URL", db.url()).with("GODWIT_DATABASE_ROLE_PASSWORD", ROLE_PASSWORD)
    }

    pub fn alone() -> Self {
        let godwit = Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() };
        godwit.with("GODWIT_AUTH_MAIL_DIR", "mail").with("GODWIT_MEDIA_S3_EMBEDDED_DIR", "s3")
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_godwit"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GODWIT_")) {
            command.env_remove(name);
        }
        command.args(arguments).envs(self.variables.iter().cloned()).current_dir(self.folder.path());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(arguments).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Said {
    /// What a line of stdout that begins so goes on with.
    pub fn line(&self, start: &str) -> &str {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("no line begins with {start:?}:\n{}\n{}", self.stdout, self.stderr))
    }
}
