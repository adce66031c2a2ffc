use std::process::Command;

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
