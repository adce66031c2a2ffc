use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use godwit_testkit::eventually;

const LOCKED_WITHIN: Duration = Duration::from_secs(30);

/// All rows of all schemas as text; bytes are hexadecimal.
pub fn dump(database_url: &str) -> String {
    let output = Command::new("pg_dump").args(["--data-only", "--dbname", database_url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a statement gives: a line a row, with bars between columns.
pub fn query(database_url: &str, statement: &str) -> String {
    let options = ["-XqAt", "--set=ON_ERROR_STOP=1", "--dbname", database_url, "--command", statement];
    let output = Command::new("psql").args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Keeps others from changing a table, but not from reading it.
pub struct TableLock {
    session: Child,
}

impl TableLock {
    /// Waits until those who are changing the table are done.
    pub async fn take(database_url: &str, table: &str) -> Self {
        let mut command = Command::new("psql");
        command.args(["-Xq", "--dbname", database_url]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut session = command.spawn().unwrap();
        writeln!(session.stdin.as_mut().unwrap(), "BEGIN; LOCK TABLE {table} IN SHARE MODE;").unwrap();
        let lock = Self { session };
        let granted = format!(
            "SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'ShareLock' AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        );
        eventually(LOCKED_WITHIN, async || query(database_url, &granted) == "1").await;
        lock
    }
}

impl Drop for TableLock {
    /// A session whose client is gone ends, and its transaction with it.
    fn drop(&mut self) {
        self.session.kill().ok();
        self.session.wait().ok();
    }
}
