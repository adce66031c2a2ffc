use std::process::Command;

/// All rows of all schemas as text; bytes are hexadecimal.
pub fn dump(database_url: &str) -> String {
    let output = Command::new("pg_dump").args(["--data-only", "--dbname", database_url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
