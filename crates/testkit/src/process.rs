use std::fs;

/// This process: its id and when it started.
pub(crate) fn this() -> (u32, u64) {
    let pid = std::process::id();
    (pid, started_at(pid).unwrap_or(0))
}

/// When the process with this id started, in clock ticks since boot (proc(5), field 22 of `stat`); `None` when there
/// is none. With the id it names a process for as long as the machine is up.
pub(crate) fn started_at(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs() {
        let (pid, started) = this();
        assert_eq!(started_at(pid), Some(started));
        assert_eq!(started_at(u32::MAX), None);
    }
}
