//! CPU time and memory of processes, from /proc (proc(5)).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

/// Clock ticks a second in /proc/PID/stat: 100 on every Linux that user space sees (`getconf CLK_TCK`).
const TICKS_PER_SEC: f64 = 100.0;

/// Which processes are counted: these with their descendants, and all of these names.
pub struct Watched {
    pids: Vec<u32>,
    names: Vec<String>,
}

/// What the counted processes of one name had used at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// CPU time since each began, with that of children that ended, in seconds.
    pub cpu_secs: f64,
    /// Resident memory. Pages that processes share count in each.
    pub rss_bytes: u64,
    /// Resident memory with shared pages divided among those who share them; 0 where it may not be read.
    pub pss_bytes: u64,
    /// How many processes.
    pub process_count: u32,
}

impl Watched {
    /// These, and all of these names.
    pub const fn new(pids: Vec<u32>, names: Vec<String>) -> Self {
        Self { pids, names }
    }

    /// What they have used until now, by name.
    pub fn usage(&self) -> BTreeMap<String, Usage> {
        let mut by_name: BTreeMap<String, Usage> = BTreeMap::new();
        let processes: BTreeMap<u32, Process> = pids().filter_map(|pid| Some((pid, read(pid)?))).collect();
        let own = std::process::id();
        for (pid, process) in &processes {
            if *pid != own && (self.names.contains(&process.name) || self.descends(*pid, &processes)) {
                let usage = by_name.entry(process.name.clone()).or_default();
                usage.cpu_secs += process.usage.cpu_secs;
                usage.rss_bytes += process.usage.rss_bytes;
                usage.pss_bytes += process.usage.pss_bytes;
                usage.process_count += 1;
            }
        }
        by_name
    }

    /// Whether it is one of the processes or below one.
    fn descends(&self, pid: u32, processes: &BTreeMap<u32, Process>) -> bool {
        let parents = std::iter::successors(Some(pid), |pid| Some(processes.get(pid)?.parent).filter(|pid| *pid > 0));
        // Bounded: entries that were read at different moments could make a circle.
        parents.take(64).any(|pid| self.pids.contains(&pid))
    }
}

/// CPU time of this process.
pub fn own_cpu_secs() -> f64 {
    read(std::process::id()).map_or(0.0, |process| process.usage.cpu_secs)
}

struct Process {
    name: String,
    parent: u32,
    usage: Usage,
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// `None` when it has ended meanwhile.
fn read(pid: u32) -> Option<Process> {
    let dir = Path::new("/proc").join(pid.to_string());
    let (name, parent, cpu_secs) = parse_stat(&std::fs::read_to_string(dir.join("stat")).ok()?)?;
    let kib = |file: &str, field: &str| {
        let text = std::fs::read_to_string(dir.join(file)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_suffix("kB")?.trim().parse().ok());
        line.unwrap_or(0_u64) * 1_024
    };
    let usage = Usage {
        cpu_secs,
        rss_bytes: kib("status", "VmRSS:"),
        pss_bytes: kib("smaps_rollup", "Pss:"),
        process_count: 1,
    };
    Some(Process { name, parent, usage })
}

/// The name, the parent and the CPU seconds in a line of /proc/PID/stat. The name is in brackets and may itself hold
/// any.
fn parse_stat(line: &str) -> Option<(String, u32, f64)> {
    let (head, fields) = line.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let parent = fields.split_whitespace().nth(1)?.parse().ok()?;
    // Fields 14 to 17: utime, stime, cutime, cstime; field 3 is the first after the name.
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<f64>);
    let ticks: f64 = ticks.collect::<Result<Vec<_>, _>>().ok().filter(|ticks| ticks.len() == 4)?.iter().sum();
    Some((name.to_owned(), parent, ticks / TICKS_PER_SEC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name() {
        let line = "42 (a (b) c) S 1 42 42 0 -1 4194304 1 0 0 0 150 50 25 75 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(line), Some(("a (b) c".to_owned(), 1, 3.0)));
        assert_eq!(parse_stat("42 (x) S 1"), None);
    }

    #[test]
    fn a_process_is_counted_with_its_descendants_and_the_generator_is_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let below = Watched::new(vec![std::process::id()], Vec::new()).usage();
        let alone = Watched::new(vec![child.id()], Vec::new()).usage();
        child.kill().unwrap();
        child.wait().unwrap();
        for usage in [&below, &alone] {
            assert_eq!(usage.values().map(|usage| usage.process_count).sum::<u32>(), 1, "{usage:?}");
        }
        assert!(own_cpu_secs() >= 0.0);
    }
}
