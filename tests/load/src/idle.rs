//! Sockets that are only held open.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::accounts::people;
use crate::crowd::costs;
use crate::many;
use crate::options::{Idle, Options};
use crate::report::to_f64;
use crate::usage::{Watched, own_cpu_secs};
use crate::wire::Socket;

/// Until a process has taken back what opening many sockets needed for a moment.
const SETTLE: Duration = Duration::from_secs(5);

/// Opens the sockets, and watches the counted processes while nothing happens but heartbeats.
pub async fn run(options: &Options, idle: &Idle) -> anyhow::Result<ExitCode> {
    let count = usize::try_from(idle.sockets)?;
    let clients = people(options, count.div_ceil(usize::try_from(idle.each)?)).await?;
    sleep(SETTLE).await;
    let watched = Watched::new(options.pids.clone(), options.pid_names.clone());
    let (before, begun_at) = (watched.usage(), Instant::now());
    let mut held = JoinSet::new();
    let hold = |mut socket: Socket| drop(held.spawn(async move { while socket.next().await.is_ok() {} }));
    let failures = many::open_each(options, &clients, count, usize::try_from(idle.at_once)?, hold).await?;
    let opening_secs = begun_at.elapsed().as_secs_f64();
    let open_count = held.len();
    sleep(SETTLE).await;
    let (quiet, own_before) = (watched.usage(), own_cpu_secs());
    sleep(Duration::from_secs(idle.watch_secs)).await;
    let (after, own_cpu) = (watched.usage(), own_cpu_secs() - own_before);
    let mut lost = 0;
    while held.try_join_next().is_some() {
        lost += 1;
    }

    let mut out = std::io::stdout();
    let opened_per_sec = to_f64(u64::try_from(open_count)?) / opening_secs;
    writeln!(out, "sockets {open_count} of {count}, of {} people, lost meanwhile {lost}", clients.len())?;
    writeln!(out, "opened in {opening_secs:.1} s, {opened_per_sec:.0}/s, {} at once", idle.at_once)?;
    for (why, times) in &failures {
        writeln!(out, "not opened, {why}: {times}")?;
    }
    for (name, used) in &after {
        let earlier = before.get(name).copied().unwrap_or_default();
        let grown = to_f64(used.pss_bytes) - to_f64(earlier.pss_bytes);
        let mib = to_f64(used.pss_bytes) / f64::from(1_u32 << 20);
        let each_kib = grown / 1_024.0 / to_f64(u64::try_from(open_count.max(1))?);
        writeln!(out, "{name}: PSS {mib:.1} MiB, {each_kib:.2} KiB a socket")?;
    }
    for (name, cost) in costs(&quiet, &after, 0.0) {
        let share = cost.cpu_secs / to_f64(idle.watch_secs) * 100.0;
        writeln!(out, "{name}: {:.2} CPU s in {} idle s, {share:.1} % of a core", cost.cpu_secs, idle.watch_secs)?;
    }
    writeln!(out, "generator: {own_cpu:.2} CPU s")?;
    Ok(if lost == 0 && open_count == count { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
